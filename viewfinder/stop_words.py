"""Words of a query that say nothing of a picture.

Only those that are nothing else in another of these languages: "die", "man", "hat", "fur" are not
among the German ones, nor "son" and "pour" among the French, "van" and "met" among the Dutch, for
they are English words too. Accents are folded.
"""
# ruff: noqa: RUF001 - Cyrillic letters that look like Latin ones

from __future__ import annotations

_ENGLISH = """
a an and are as at be been being but by can could did do does doing for from had has have having he
her here hers him his how i if in into is it its me my no nor not of off on onto or our out over she
should so some such than that the their them then there these they this those to too under up upon
was we were what when where which while who whom whose why will with would you your
"""
_GERMAN = """
als auf aus bei beim das dem der des ein eine einem einen einer eines im ist mit nach oder sich sind
uber und unter vom von vor wie zum zur zwischen
"""
_FRENCH = """
au aux avec ce ces cette dans de du elle en est et la le les leur mais ou pas qui sans ses sont sur
une
"""
_SPANISH_PORTUGUESE_ITALIAN = """
al com con como da das del della delle dei di do dos e el em es esta este gli il las lo los na nel
nella nos o para per por que se sobre sua su sus um uma un una uno y
"""
_DUTCH_SCANDINAVIAN = "aan av bij det dit een ett het med naar och og op som te til uit voor zijn"
_RUSSIAN = "в во вот и из к как ко на не о об от по под при с со у что это для до за или над"
_POLISH_CZECH = "na nad od po przy w z ze za"

STOP_WORDS = frozenset(
    " ".join(
        (
            _ENGLISH,
            _GERMAN,
            _FRENCH,
            _SPANISH_PORTUGUESE_ITALIAN,
            _DUTCH_SCANDINAVIAN,
            _RUSSIAN,
            _POLISH_CZECH,
        )
    ).split()
)
