"""English word stems, as the index makes them: `invoices` and `invoiced` are `invoic`.

The Snowball project's English stemmer ("Porter2", Porter 2001), in the version of 2017 that the
index's engine has; a test compares the two. Words of other languages mostly stay as they are.
"""

from __future__ import annotations

import re

_VOWELS = "aeiouy"
_VOWEL = re.compile(f"[{_VOWELS}]")
_REGION = re.compile(f"[{_VOWELS}][^{_VOWELS}]")
_DOUBLES = ("bb", "dd", "ff", "gg", "mm", "nn", "pp", "rr", "tt")
_SPECIAL = {
    "skis": "ski", "skies": "sky", "dying": "die", "lying": "lie", "tying": "tie", "idly": "idl",
    "gently": "gentl", "ugly": "ugli", "early": "earli", "only": "onli", "singly": "singl",
    **{word: word for word in ("sky", "news", "howe", "atlas", "cosmos", "bias", "andes")},
}  # fmt: skip
_KEPT = frozenset(
    ("inning", "outing", "canning", "herring", "earring", "proceed", "exceed", "succeed")
)
_STEP_2 = {
    "ization": "ize", "ational": "ate", "fulness": "ful", "ousness": "ous", "iveness": "ive",
    "tional": "tion", "biliti": "ble", "lessli": "less", "entli": "ent", "ation": "ate",
    "alism": "al", "aliti": "al", "ousli": "ous", "iviti": "ive", "fulli": "ful", "enci": "ence",
    "anci": "ance", "abli": "able", "izer": "ize", "ator": "ate", "alli": "al", "bli": "ble",
    "ogi": "og", "li": "",
}  # fmt: skip
_STEP_3 = {
    "ational": "ate", "tional": "tion", "alize": "al", "icate": "ic", "iciti": "ic", "ative": "",
    "ical": "ic", "ness": "", "ful": "",
}  # fmt: skip
_STEP_4 = (
    "ement", "ance", "ence", "able", "ible", "ment", "ant", "ent", "ism", "ate", "iti", "ous",
    "ive", "ize", "ion", "al", "er", "ic",
)  # fmt: skip


def stem(word: str) -> str:
    """The stem of a word in lower case."""
    if len(word) <= 2:
        return word
    word = word.removeprefix("'")
    if word in _SPECIAL:
        return _SPECIAL[word]
    word = _consonant_y(word)
    r1, r2 = _regions(word)
    word = _step_0(word)
    word = _step_1a(word)
    if word in _KEPT:
        return word
    word = _step_1b(word, r1)
    word = _step_1c(word)
    word = _step_2(word, r1)
    word = _step_3(word, r1, r2)
    word = _step_4(word, r2)
    return _step_5(word, r1, r2).replace("Y", "y")


def _consonant_y(word: str) -> str:
    """Y where it is a consonant: at the start, and after a vowel."""
    letters = list(word)
    for i, letter in enumerate(letters):
        if letter == "y" and (i == 0 or letters[i - 1] in _VOWELS):
            letters[i] = "Y"
    return "".join(letters)


def _regions(word: str) -> tuple[int, int]:
    """Where R1 and R2 begin: after the first consonant that follows a vowel, twice."""
    for start in ("gener", "commun", "arsen"):
        if word.startswith(start):
            r1 = len(start)
            break
    else:
        r1 = _after_region(word, 0)
    return r1, _after_region(word, r1)


def _after_region(word: str, start: int) -> int:
    found = _REGION.search(word, start)
    return len(word) if found is None else found.end()


def _ends_short(word: str) -> bool:
    """Whether it ends in a short syllable."""
    if len(word) == 2:
        return word[0] in _VOWELS and word[1] not in _VOWELS
    return (
        len(word) > 2
        and word[-3] not in _VOWELS
        and word[-2] in _VOWELS
        and word[-1] not in f"{_VOWELS}wxY"
    )


def _step_0(word: str) -> str:
    for ending in ("'s'", "'s", "'"):
        if word.endswith(ending):
            return word[: -len(ending)]
    return word


def _step_1a(word: str) -> str:
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith(("ied", "ies")):
        return word[:-2] if len(word) > 4 else word[:-1]
    if word.endswith(("us", "ss")) or not word.endswith("s"):
        return word
    return word[:-1] if _VOWEL.search(word[:-2]) else word


def _step_1b(word: str, r1: int) -> str:
    for ending in ("eedly", "eed"):
        if word.endswith(ending):
            return word[: -len(ending)] + "ee" if len(word) - len(ending) >= r1 else word
    for ending in ("ingly", "edly", "ing", "ed"):
        if not word.endswith(ending):
            continue
        rest = word[: -len(ending)]
        if not _VOWEL.search(rest):
            return word
        if rest.endswith(("at", "bl", "iz")):
            return f"{rest}e"
        if rest.endswith(_DOUBLES):
            return rest[:-1]
        return f"{rest}e" if _ends_short(rest) and r1 >= len(rest) else rest
    return word


def _step_1c(word: str) -> str:
    if len(word) > 2 and word[-1] in "yY" and word[-2] not in _VOWELS:
        return f"{word[:-1]}i"
    return word


def _step_2(word: str, r1: int) -> str:
    for ending, instead in _STEP_2.items():
        if not word.endswith(ending):
            continue
        rest = word[: -len(ending)]
        if len(rest) < r1:
            return word
        if ending == "ogi" and not rest.endswith("l"):
            return word
        if ending == "li" and not rest.endswith(tuple("cdeghkmnrt")):
            return word
        return rest + instead
    return word


def _step_3(word: str, r1: int, r2: int) -> str:
    for ending, instead in _STEP_3.items():
        if not word.endswith(ending):
            continue
        rest = word[: -len(ending)]
        return word if len(rest) < (r2 if ending == "ative" else r1) else rest + instead
    return word


def _step_4(word: str, r2: int) -> str:
    for ending in _STEP_4:
        if not word.endswith(ending):
            continue
        rest = word[: -len(ending)]
        if len(rest) < r2 or (ending == "ion" and not rest.endswith(("s", "t"))):
            return word
        return rest
    return word


def _step_5(word: str, r1: int, r2: int) -> str:
    rest = word[:-1]
    if word.endswith("e"):
        return rest if len(rest) >= r2 or (len(rest) >= r1 and not _ends_short(rest)) else word
    if word.endswith("ll") and len(rest) >= r2:
        return rest
    return word
