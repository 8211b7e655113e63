"""Two engines with the same library, and that they give the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from search_service.vector_index import (
    FacetCount,
    IndexPoint,
    IndexQuery,
    IndexRecord,
    ScoredPoint,
    SparseVector,
    Vector,
    VectorIndex,
)
from tests.search_service.points import DIM, unit

COUNT = 240
CAMERAS = ("Canon R5", "Nikon Z8", "Leica M11", "päper côté")
TAGS = ("cat", "dog", "beach", "night", "red")


@dataclass(frozen=True)
class Pair:
    """The embedded engine, which is the yardstick, and the one that is compared with it."""

    edge: VectorIndex
    other: VectorIndex

    def __iter__(self) -> Iterator[VectorIndex]:
        return iter((self.edge, self.other))


def payload_of(number: int, dice: np.random.Generator) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "file_name": f"{number}.jpg",
        "file_path": f"album {number % 3}/{number}.jpg",
        "media_type": ("image/jpeg", "image/png", "application/pdf")[number % 3],
        "size_bytes": int(dice.integers(1, 1 << 40)),
        "width": int(dice.integers(1, 8000)),
        "height": 1000 + number % 5,
        "uploaded_at": f"2026-{1 + number % 12:02}-{1 + number % 28:02}T{number % 24:02}:30:00Z",
        "tags": [str(tag) for tag in dice.choice(TAGS, int(dice.integers(0, 4)), replace=False)],
        "metadata": {
            "stars": number % 6,
            "share": round(number / COUNT, 4),
            "public": bool(number % 2),
            "owner": f"owner {number % 7}",
            "nested": {"deep": number % 4, "list": [number % 3, "x"]},
            "dotted.name": number % 3,
            "when": f"2025-{1 + number % 12:02}-01T00:00:00Z",
            "place": {"lat": number % 90, "lon": -(number % 180)},
            "empty": [],
            "nothing": None,
        },
    }
    if number % 4:
        payload["category"] = TAGS[number % 5]
        payload["camera"] = CAMERAS[number % 4]
        payload["taken_at"] = f"20{10 + number % 15}-06-15T12:00:{number % 60:02}+02:00"
    if number % 6 == 0:
        payload["document"] = f"manual {number % 4}.pdf"
        payload["page"] = number % 5
    if number % 3 == 0:
        payload["location"] = {
            "lat": round(float(dice.uniform(-80, 80)), 6),
            "lon": round(float(dice.uniform(-180, 180)), 6),
        }
    return payload


def words_of(number: int, dice: np.random.Generator) -> SparseVector | None:
    if number % 5 == 0:
        return None
    terms = dice.choice(40, 6, replace=False)
    return SparseVector(
        tuple(int(term) for term in terms), tuple(float(w) for w in dice.uniform(0.2, 2, 6))
    )


def library(count: int = COUNT, seed: int = 5) -> tuple[list[IndexPoint], Vector]:
    """Points with every kind of payload, and their vectors; some of them not of length 1."""
    dice = np.random.default_rng(seed)
    points = [
        IndexPoint(
            UUID(int=(number * 0x9E3779B97F4A7C15F39CC0605CEDC835) % (1 << 128)),
            payload_of(number, dice),
            words_of(number, dice),
        )
        for number in range(1, count + 1)
    ]
    vectors = unit(dice.standard_normal((count, DIM)))
    vectors[::7] *= 3
    return points, vectors


QUERY = unit(np.random.default_rng(77).standard_normal(DIM))


async def same_hits(pair: Pair, query: IndexQuery, about: object = "") -> list[ScoredPoint]:
    """The hits, once both engines have given the same in the same order."""
    expected, found = [await index.search(query) for index in pair]
    assert [hit.id for hit in found] == [hit.id for hit in expected], about
    np.testing.assert_allclose([h.score for h in found], [h.score for h in expected], atol=1e-5)
    assert [hit.payload for hit in found] == [hit.payload for hit in expected]
    return found


async def same_records(pair: Pair) -> list[IndexRecord]:
    """All that is stored, once it is the same in both."""
    everything: list[list[IndexRecord]] = []
    for index in pair:
        records, following = await index.scroll(None, 10_000)
        assert following is None
        everything.append(records)
    expected, found = everything
    assert [record.id for record in found] == [record.id for record in expected]
    for one, other in zip(found, expected, strict=True):
        assert_same_record(one, other)
    return found


def assert_same_record(one: IndexRecord, other: IndexRecord) -> None:
    assert one.id == other.id
    assert one.payload == other.payload
    np.testing.assert_allclose(one.vector, other.vector, atol=1e-5)
    assert one.vector.dtype == other.vector.dtype == np.float32
    assert weights(one.words) == pytest.approx(weights(other.words), abs=1e-5)


def weights(words: SparseVector | None) -> dict[int, float]:
    return {} if words is None else dict(zip(words.indices, words.values, strict=True))


def by_value(counts: list[FacetCount]) -> dict[object, int]:
    return {count.value: count.count for count in counts}


FILTERS: list[Mapping[str, object]] = [
    {"file_name": "17.jpg"},
    {"file_path": ["album 1/1.jpg", "album 2/2.jpg", "nowhere"]},
    {"tags": "cat"},
    {"tags": ["dog", "beach"]},
    {"category": "night"},
    {"camera": "päper côté"},
    {"media_type": ["image/png", "application/pdf"]},
    {"size_bytes": {"gte": 1 << 39}},
    {"width": {"gt": 1000, "lte": 4000}},
    {"height": 1003},
    {"height": [1000, 1004]},
    {"taken_at": {"gte": "2015-01-01", "lt": "2020-06-15T10:00:30Z"}},
    {"taken_at": "2017-06-15T10:00:07Z"},
    {"uploaded_at": {"gt": "2026-06-01T00:00:00+02:00"}},
    {"uploaded_at": ["2026-02-02T01:30:00Z", "2026-03-03T02:30:00Z"]},
    {"location": {"lat": 10, "lon": 20, "radius_m": 5_000_000}},
    {"location": {"lat": -70, "lon": 179, "radius_m": 4_000_000}},
    {"metadata.stars": 4},
    {"metadata.stars": [1, 2]},
    {"metadata.stars": {"gte": 2, "lt": 5}},
    {"metadata.share": 0.5},
    {"metadata.share": {"gt": 0.25, "lte": 0.75}},
    {"metadata.public": True},
    {"metadata.public": False},
    {"metadata.public": [True, "owner 1"]},
    {"metadata.owner": ["owner 1", "owner 5", 3]},
    {"metadata.nested.deep": 2},
    {"metadata.dotted.name": 1},
    {"metadata.nested.list": "x"},
    {"metadata.when": {"gte": "2025-06-01"}},
    {"metadata.unknown": 1},
    {"tags": {"not": ["cat", "dog"]}},
    {"tags": {"any": ["cat", "dog"], "not": "beach"}},
    {"camera": {"exists": True}},
    {"camera": {"exists": False}},
    {"tags": {"exists": False}},
    {"metadata.empty": {"exists": False}},
    {"metadata.nothing": {"exists": False}},
    {"metadata.nested.deep": {"exists": True}},
    {"metadata.dotted.name": {"not": 1}},
    {"metadata.public": {"not": True}},
    {"width": {"not": {"gte": 1024}}},
    {"width": {"gte": 500, "not": {"lt": 5000}}},
    {"taken_at": {"not": {"lt": "2016-01-01"}}},
    {"location": {"top": 50, "left": -90, "bottom": -20, "right": 60}},
    {"location": {"top": 80, "left": 100, "bottom": -80, "right": -100}},
    {"location": {"not": {"top": 80, "left": 100, "bottom": -80, "right": -100}}},
    {"location": {"not": {"lat": 10, "lon": 20, "radius_m": 5_000_000}, "exists": True}},
    {"metadata.place": {"lat": 0, "lon": 0, "radius_m": 10_000_000}},
    {"metadata.place": {"top": 40, "left": -40, "bottom": -40, "right": 40}},
    {"document": ["manual 1.pdf", "manual 2.pdf"], "page": {"gte": 2}},
    {"tags": "cat", "width": {"gte": 3000}, "metadata.public": True},
]
