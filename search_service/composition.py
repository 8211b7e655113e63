"""A query of several parts as one vector: `2*dog - cat` by weights, not by parsing.

The vector is the L2-normalised weighted sum of the parts' vectors (Rocchio, Relevance Feedback in
Information Retrieval, 1971): one nearest search with it, on any engine, whatever the parts are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from search_service.encoder_binding import EncoderSpec
from search_service.vector_index import IndexRecord, Vector
from search_service.wanted import ByPicture, BySimilar, ByText, Query, Wanted
from viewfinder.errors import EncoderMismatch, ImageNotIndexed, InvalidRequest

_LEAST_LENGTH = 1e-3  # of the sum, when its parts together weigh 1: below it is rounding noise


class PartEncoder(Protocol):
    """The part of a QueryEncoder that is needed here."""

    async def embed_texts(self, texts: Sequence[str], encoder: str) -> tuple[Vector, EncoderSpec]:
        """Vectors [n, dim] of n texts, in one call."""

    async def embed_picture(
        self, pixels: NDArray[np.uint8], encoder: str
    ) -> tuple[Vector, EncoderSpec]:
        """The vector [dim] of a picture."""


class Records(Protocol):
    """The part of a Collection that is needed here."""

    @property
    def spec(self) -> EncoderSpec | None:
        """The encoder of its vectors."""

    async def retrieve(self, ids: Sequence[UUID]) -> list[IndexRecord]:
        """Those of the ids that are there, in any order."""


@dataclass(frozen=True, eq=False)
class QueryVector:
    """A vector [dim] to look for, by this encoder."""

    vector: Vector
    spec: EncoderSpec


def images_in(wanted: Wanted) -> frozenset[UUID]:
    """The pictures of the index that the query names: nobody looks for what he has in hand."""
    parts: list[Query] = [wanted.query, *(example.what for example in wanted.also)]
    return frozenset(part.id for part in parts if isinstance(part, BySimilar))


async def compose(wanted: Wanted, encoder: PartEncoder, records: Records) -> QueryVector:
    """The vector of all parts, which are embedded at the same time, the texts in one call.

    Raises:
        ImageNotFound, ImageNotIndexed: an example that has no vector.
        InvalidRequest: the parts cancel each other out.
        EncoderMismatch: parts came from different encoders (it is being switched).
    """
    parts: list[Query] = [wanted.query, *(example.what for example in wanted.also)]
    weights = [wanted.weight, *(example.weight for example in wanted.also)]
    name = records.spec.name if records.spec is not None else ""
    texts = list(dict.fromkeys(part.text for part in parts if isinstance(part, ByText)))
    ids = list(dict.fromkeys(part.id for part in parts if isinstance(part, BySimilar)))
    pictures = [part for part in parts if isinstance(part, ByPicture)]
    of_texts, of_ids, of_pictures = await asyncio.gather(
        _embed_texts(texts, encoder, name),
        _stored(ids, records),
        asyncio.gather(*(encoder.embed_picture(picture.pixels, name) for picture in pictures)),
    )
    specs = [spec for _, spec in (*of_texts.values(), *of_ids.values(), *of_pictures)]
    for other in specs[1:]:
        if other != specs[0]:
            raise EncoderMismatch(index_encoder=str(specs[0]), offered_encoder=str(other))
    remaining = iter(of_pictures)
    rows: list[Vector] = []
    for part in parts:
        match part:
            case ByText(text=text):
                rows.append(of_texts[text][0])
            case BySimilar():
                rows.append(of_ids[part.id][0])
            case ByPicture():
                rows.append(next(remaining)[0])
    return QueryVector(weighted_sum(np.stack(rows), weights), specs[0])


def weighted_sum(vectors: Vector, weights: Sequence[float]) -> Vector:
    """The L2-normalised sum [dim] of `vectors` [n, dim], each times its weight.

    Raises:
        InvalidRequest: they cancel each other out; no direction is left to look in.
    """
    shares = np.asarray(weights, dtype=np.float64)
    shares /= np.abs(shares).sum()
    total = shares @ vectors.astype(np.float64)
    length = float(np.linalg.norm(total))
    if length < _LEAST_LENGTH:
        raise InvalidRequest(
            "weights", "of parts that cancel each other out", "parts that leave something to find"
        )
    return np.asarray(total / length, dtype=np.float32)


async def _embed_texts(
    texts: Sequence[str], encoder: PartEncoder, name: str
) -> dict[str, tuple[Vector, EncoderSpec]]:
    if not texts:
        return {}
    vectors, spec = await encoder.embed_texts(texts, name)
    return {text: (vector, spec) for text, vector in zip(texts, vectors, strict=True)}


async def _stored(ids: Sequence[UUID], records: Records) -> dict[UUID, tuple[Vector, EncoderSpec]]:
    if not ids:
        return {}
    spec = records.spec
    found = (
        {}
        if spec is None
        else {record.id: (record.vector, spec) for record in await records.retrieve(ids)}
    )
    for image_id in ids:
        if image_id not in found:
            raise ImageNotIndexed(image_id=str(image_id), state="not in the index")
    return found
