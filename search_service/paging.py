"""Pages that do not drift: a cursor says after which hit the next page begins.

Hits are ordered by (rank, id); a rank is the negative score, or a time. A cursor holds the place of
the last hit shown, so that what is uploaded before that place shifts nothing and shows nothing
twice, and what is deleted leaves no gap. Where several pictures make one hit (groups, collapse),
it holds a tag of every hit shown as well, since those hide others.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
from collections import OrderedDict
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TypeAlias

from search_service.composition import QueryVector
from search_service.conditions import Condition
from search_service.encoder_binding import EncoderSpec
from search_service.vector_index import ScoredPoint
from search_service.wanted import ByPicture, Query, Wanted
from viewfinder.errors import InvalidRequest

MAX_DEPTH = 10_000
"""Hits that pages lead to."""
MAX_FOLDED = 1_000
"""The same where several pictures make one hit."""

Place: TypeAlias = tuple[float, int]
"""Where a hit stands: its rank, then its id among those of equal rank."""

_TAG_BYTES = 4
_HEAD = struct.Struct("<B8s4sId16sf")  # version, question, encoder, seen, rank, id, floor
_VERSION = 1
_MAX_CHARS = 4 * (_HEAD.size + MAX_FOLDED * _TAG_BYTES) // 3 + 4


@dataclass(frozen=True)
class Cursor:
    """Where the next page begins.

    `seen`: hits at this place or before it, as counted last. `floor`: the least score of those
    that are sorted by time; -inf where there is none. `shown`: tags of hits, in the order shown.
    """

    question: bytes
    encoder: bytes
    seen: int
    place: Place
    floor: float = -math.inf
    shown: tuple[bytes, ...] = ()

    def encode(self) -> str:
        """As clients send it back."""
        rank, number = self.place
        head = _HEAD.pack(
            _VERSION,
            self.question,
            self.encoder,
            self.seen,
            rank,
            number.to_bytes(16, "big"),
            self.floor,
        )
        return base64.urlsafe_b64encode(head + b"".join(self.shown)).decode().rstrip("=")


def decode(text: str, question: bytes) -> Cursor:
    """The cursor of this question.

    Raises:
        InvalidRequest: it is none, or another question's.
    """
    if len(text) > _MAX_CHARS:
        raise _no_cursor(text)
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        version, asked, encoder, seen, rank, number, floor = _HEAD.unpack_from(data)
    except (ValueError, binascii.Error, struct.error):
        raise _no_cursor(text) from None
    tags = data[_HEAD.size :]
    if version != _VERSION or len(tags) % _TAG_BYTES or math.isnan(rank) or math.isnan(floor):
        raise _no_cursor(text)
    if asked != question:
        raise InvalidRequest(
            "cursor",
            "of another search",
            "the next_cursor of the same query with the same options (top_k and facets may differ)",
        )
    if seen > MAX_DEPTH:
        raise _no_cursor(text)
    shown = tuple(tags[at : at + _TAG_BYTES] for at in range(0, len(tags), _TAG_BYTES))
    return Cursor(asked, encoder, seen, (rank, int.from_bytes(number, "big")), floor, shown)


def question_of(wanted: Wanted, conditions: tuple[Condition, ...]) -> bytes:
    """A digest of all that decides which hits come in which order."""
    asked = (
        _text_of(wanted.query),
        wanted.weight,
        wanted.also,
        wanted.score_threshold,
        wanted.min_relevance,
        conditions,
        wanted.group_by,
        wanted.collapse,
        wanted.sort,
        wanted.exact,
    )
    return blake2b(repr(asked).encode(errors="surrogatepass"), digest_size=8).digest()


def _text_of(query: Query) -> str:
    if isinstance(query, ByPicture):
        return f"pixels {blake2b(query.pixels.tobytes(), digest_size=16).hexdigest()}"
    return repr(query)


def encoder_tag(spec: EncoderSpec) -> bytes:
    """Scores of another encoder cannot be gone on from."""
    return blake2b(f"{spec.name}@{spec.revision}".encode(), digest_size=4).digest()


def check_encoder(cursor: Cursor, spec: EncoderSpec) -> None:
    """Raises InvalidRequest when the index was switched to another encoder since."""
    if cursor.encoder != encoder_tag(spec):
        raise InvalidRequest("cursor", "of another encoder", "cursors of now: search anew")


def tag_of(hit: ScoredPoint) -> bytes:
    """Short: two of a thousand hits share one with a probability of 1 in 10,000."""
    return blake2b(hit.id.bytes, digest_size=_TAG_BYTES).digest()


@dataclass
class VectorMemory:
    """Query vectors of searches that have a next page: an encoder that works in batches gives
    slightly another vector each time, and so other scores than those that the cursor holds."""

    size: int = 512
    _vectors: OrderedDict[bytes, QueryVector] = field(default_factory=OrderedDict)

    def keep(self, question: bytes, vector: QueryVector) -> None:
        """For the next page."""
        self._vectors[question] = vector
        self._vectors.move_to_end(question)
        if len(self._vectors) > self.size:
            self._vectors.popitem(last=False)

    def find(self, question: bytes, spec: EncoderSpec | None) -> QueryVector | None:
        """The one of the page before, by this encoder."""
        known = self._vectors.get(question)
        return known if known is not None and known.spec == spec else None


def _no_cursor(text: str) -> InvalidRequest:
    return InvalidRequest("cursor", repr(text)[:100], "a next_cursor as it was given")
