"""Hits with their relevance, and cuts at one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from search_service.relevance import score_cut
from search_service.wire import spec_message
from tests.search_service.conftest import FakeEncoder
from tests.search_service.points import DIM, SPEC, unit, word_vector
from viewfinder.calibration import Background, Calibration, Logistic, RelevanceCurve, rounded
from viewfinder.errors import InvalidRequest, NotCalibrated, ServiceUnavailable
from viewfinder.v1 import common_pb2, search_pb2

QUERY = "a dog"
CURVE = RelevanceCurve(0.0, 0.1, 1.0, -3.0)  # even at a cosine of 0.3


def calibration(slope: float = 1.0) -> Calibration:
    background = Background(rounded(np.zeros(DIM)), rounded(np.eye(DIM)[:1]), (0.01,), 0.01)
    return Calibration(
        "histogram", "r1", 0.01, background, Logistic(slope, -3.0), Logistic(slope, -6.0)
    )


@pytest.fixture
def calibrated(encoder: FakeEncoder) -> Iterator[FakeEncoder]:
    encoder.known_calibration = calibration()
    return encoder


def at_cosines(*cosines: float) -> Any:
    """Vectors with these cosines to the query's, the first point being the first."""
    query = word_vector(QUERY)
    aside = np.random.default_rng(0).standard_normal(DIM)
    aside = unit(aside - (aside @ query) * query)
    rows = [cosine * query + np.sqrt(1 - cosine**2) * aside for cosine in cosines]
    points = [search_pb2.Point(id=str(UUID(int=n))) for n in range(1, len(rows) + 1)]
    data = np.asarray(rows, "<f4").tobytes()
    vectors = common_pb2.Vectors(data=data, count=len(rows), dim=DIM)
    return search_pb2.UpsertRequest(spec=spec_message(SPEC), points=points, vectors=vectors)


def numbers(answer: Any) -> list[int]:
    return [UUID(hit.id).int for hit in answer.hits]


async def test_every_hit_has_its_relevance(stub: Any, calibrated: FakeEncoder) -> None:
    await stub.Upsert(at_cosines(0.3, 0.5))
    answer = await stub.Search(search_pb2.SearchRequest(text=QUERY, top_k=5))
    assert numbers(answer) == [2, 1]
    assert [hit.relevance for hit in answer.hits] == pytest.approx(
        [CURVE.of(0.5), CURVE.of(0.3)], abs=1e-4
    )


async def test_a_least_relevance_is_a_cut(stub: Any, calibrated: FakeEncoder) -> None:
    await stub.Upsert(at_cosines(0.29, 0.301, 0.5, 0.2995, 0.9))
    request = search_pb2.SearchRequest(text=QUERY, top_k=5, min_relevance=0.5)
    assert numbers(await stub.Search(request)) == [5, 3, 2]


async def test_the_stricter_of_two_cuts_counts(stub: Any, calibrated: FakeEncoder) -> None:
    await stub.Upsert(at_cosines(0.2, 0.4, 0.6))
    request = search_pb2.SearchRequest(text=QUERY, top_k=5, min_relevance=0.5, score_threshold=0.5)
    assert numbers(await stub.Search(request)) == [3]
    request.score_threshold = 0.1
    assert numbers(await stub.Search(request)) == [3, 2]


async def test_by_time_come_those_that_are_not_far_behind_the_best(
    stub: Any, calibrated: FakeEncoder
) -> None:
    await stub.Upsert(at_cosines(0.1, 0.9, 0.5, 0.15))
    request = search_pb2.SearchRequest(text=QUERY, top_k=5, sort="newest", mode="visual")
    assert numbers(await stub.Search(request)) == [2, 3]
    request.top_k = 1
    first = await stub.Search(request)
    request.cursor = first.next_cursor
    second = await stub.Search(request)
    assert (numbers(first), numbers(second), second.next_cursor) == ([2], [3], "")


async def test_by_time_whoever_sets_a_least_relevance_gets_all_above_it(
    stub: Any, calibrated: FakeEncoder
) -> None:
    await stub.Upsert(at_cosines(0.1, 0.9, 0.5, 0.15))
    request = search_pb2.SearchRequest(text=QUERY, top_k=5, sort="newest", min_relevance=0.01)
    assert numbers(await stub.Search(request)) == [1, 2, 3, 4]


async def test_nothing_is_certain(stub: Any, calibrated: FakeEncoder) -> None:
    await stub.Upsert(at_cosines(0.9))
    request = search_pb2.SearchRequest(text=QUERY, top_k=5, min_relevance=1.0)
    assert numbers(await stub.Search(request)) == []


async def test_similar_pictures_go_by_the_curve_of_pictures(
    stub: Any, calibrated: FakeEncoder
) -> None:
    await stub.Upsert(at_cosines(1.0, 0.5, 0.7))
    request = search_pb2.SearchRequest(image_id=str(UUID(int=1)), top_k=5)
    answer = await stub.Search(request)
    pictures = RelevanceCurve(0.0, 0.1, 1.0, -6.0)
    assert [hit.relevance for hit in answer.hits] == pytest.approx(
        [pictures.of(0.7), pictures.of(0.5)], abs=1e-3
    )
    request.min_relevance = 0.5
    assert numbers(await stub.Search(request)) == [3]


async def test_without_calibration_hits_have_no_relevance(stub: Any) -> None:
    await stub.Upsert(at_cosines(0.5))
    answer = await stub.Search(search_pb2.SearchRequest(text=QUERY, top_k=5))
    assert [hit.HasField("relevance") for hit in answer.hits] == [False]


async def test_without_calibration_a_least_relevance_is_refused_with_what_to_do(stub: Any) -> None:
    await stub.Upsert(at_cosines(0.5))
    with pytest.raises(NotCalibrated, match="viewfinder models calibrate histogram DATASET"):
        await stub.Search(search_pb2.SearchRequest(text=QUERY, top_k=5, min_relevance=0.1))


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan"), float("inf")])
async def test_a_least_relevance_that_is_no_probability_is_refused(
    stub: Any, calibrated: FakeEncoder, wrong: float
) -> None:
    with pytest.raises(InvalidRequest, match="min_relevance"):
        await stub.Search(search_pb2.SearchRequest(text=QUERY, top_k=5, min_relevance=wrong))


async def test_similar_works_while_the_encoder_is_away_unless_relevance_is_needed(
    stub: Any, encoder: FakeEncoder
) -> None:
    await stub.Upsert(at_cosines(1.0, 0.5))
    encoder.error = ServiceUnavailable(service="embedding_service")
    request = search_pb2.SearchRequest(image_id=str(UUID(int=1)), top_k=5)
    assert numbers(await stub.Search(request)) == [2]
    request.min_relevance = 0.5
    with pytest.raises(ServiceUnavailable):
        await stub.Search(request)


async def test_a_calibration_of_other_vectors_is_none(stub: Any, encoder: FakeEncoder) -> None:
    background = Background(rounded(np.zeros(3)), rounded(np.eye(3)[:1]), (0.01,), 0.01)
    encoder.known_calibration = Calibration(
        "histogram", "r1", 0.01, background, Logistic(1, 0), Logistic(1, 0)
    )
    await stub.Upsert(at_cosines(0.5))
    answer = await stub.Search(search_pb2.SearchRequest(text=QUERY, top_k=5))
    assert not answer.hits[0].HasField("relevance")


@pytest.mark.parametrize(("asked", "expected"), [(0.0, None), (1e-9, -1.0), (1.0, 1.0)])
def test_a_cut_stays_among_the_cosines(asked: float, expected: float | None) -> None:
    assert score_cut(CURVE, 0.0, asked) == expected
