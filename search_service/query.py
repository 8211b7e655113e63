"""Answers a search: by text, by a picture, or by a picture that is in the index already."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from search_service.collection_set import CollectionSet
from search_service.encoder_binding import EncoderSpec
from search_service.filters import parse_filters
from search_service.vector_index import IndexQuery, ScoredPoint, Vector
from viewfinder.errors import ImageNotFound, ImageNotIndexed, InvalidRequest

MAX_TOP_K = 100


class QueryEncoder(Protocol):
    """Makes query vectors [dim], with the spec of the encoder that made them."""

    async def embed_text(self, text: str, encoder: str) -> tuple[Vector, EncoderSpec]:
        """By the encoder of this name; empty: the one of embedding_service's settings.

        Raises ServiceUnavailable when the encoder is away, InvalidRequest for a bad text.
        """

    async def embed_picture(
        self, pixels: NDArray[np.uint8], encoder: str
    ) -> tuple[Vector, EncoderSpec]:
        """`pixels` uint8 [height, width, 3], as the spec wants them."""

    async def spec(self) -> EncoderSpec:
        """The encoder's spec."""


@dataclass(frozen=True)
class ByText:
    """Pictures that fit these words."""

    text: str


@dataclass(frozen=True)
class ByPicture:
    """Pictures that look like this one; uint8 [height, width, 3]."""

    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class BySimilar:
    """Pictures that look like this one of the index, itself left out."""

    image_id: str


Query: TypeAlias = ByText | ByPicture | BySimilar


@dataclass(frozen=True)
class Answer:
    """Hits, best first, and what they cost."""

    hits: list[ScoredPoint]
    epoch: int
    spec: EncoderSpec | None
    embed_ms: float
    index_ms: float


class Searcher:
    """Embeds the query with the encoder of the active collection, and asks that."""

    def __init__(self, collections: CollectionSet, encoder: QueryEncoder) -> None:
        self._collections = collections
        self._encoder = encoder

    async def search(
        self,
        query: Query,
        top_k: int,
        score_threshold: float,
        filters: Mapping[str, object],
        *,
        exact: bool = False,
    ) -> Answer:
        """The `top_k` nearest; a `score_threshold` of 0 leaves nothing out.

        `exact`: compared with every vector that the filters leave, without graph.

        Raises:
            InvalidRequest, UnknownFilterKey: a value that is not allowed.
            ImageNotFound, ImageNotIndexed: the picture to compare with has no vector.
            ServiceUnavailable: the encoder is away. EncoderMismatch: it is not the index's.
        """
        if not 1 <= top_k <= MAX_TOP_K:
            raise InvalidRequest("top_k", str(top_k), f"1..{MAX_TOP_K}")
        if not (math.isfinite(score_threshold) and 0 <= score_threshold <= 1):
            raise InvalidRequest("score_threshold", str(score_threshold), "0..1")
        conditions = parse_filters(filters)
        threshold = score_threshold or None
        collection = self._collections.active  # the same all through, also when it is switched
        if isinstance(query, BySimilar):
            image_id = _image_id(query.image_id)
            started = time.perf_counter()
            records = await collection.retrieve([image_id])
            if not records or collection.spec is None:
                raise ImageNotIndexed(image_id=query.image_id, state="not in the index")
            spec, itself = collection.spec, frozenset({image_id})
            wanted = IndexQuery(
                records[0].vector, top_k, conditions, itself, threshold, exact=exact
            )
            hits, epoch = await collection.search(spec, wanted)
            return Answer(hits, epoch, spec, 0.0, _ms_since(started))
        name = collection.spec.name if collection.spec is not None else ""
        started = time.perf_counter()
        if isinstance(query, ByText):
            vector, spec = await self._encoder.embed_text(query.text, name)
        else:
            vector, spec = await self._encoder.embed_picture(query.pixels, name)
        embed_ms = _ms_since(started)
        started = time.perf_counter()
        wanted = IndexQuery(vector, top_k, conditions, score_threshold=threshold, exact=exact)
        hits, epoch = await collection.search(spec, wanted)
        return Answer(hits, epoch, spec, embed_ms, _ms_since(started))


def _image_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ImageNotFound(image_id=text[:100]) from None


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
