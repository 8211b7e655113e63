"""Work for another encoder than the one that answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewfinder.errors import ServiceUnavailable
from viewfinder.v1 import common_pb2

if TYPE_CHECKING:
    from tests.worker.conftest import House


def candidate(house: House, count: int, revision: str = "one") -> list[str]:
    """So many pictures to embed with the candidate, whose name is "fake"."""
    spec = common_pb2.EncoderSpec(name="fake", revision=revision)
    work = house.catalog.claim_response.reindex
    work.encoder.CopyFrom(spec)
    work.images.extend(house.record(number) for number in range(count))
    return [image.id for image in work.images]


def test_they_go_into_the_candidates_collection_and_are_reported_under_its_name(
    house: House,
) -> None:
    ids = candidate(house, 6)
    summary = house.runner.run("claim")
    assert house.embedder.asked_for == ["fake"]
    assert house.index.beside == set(ids)
    [(_, results)] = house.catalog.reports
    assert {result.encoder for result in results} == {"fake@one"}
    assert set(house.catalog.outcomes().values()) == {"INDEXED"}
    assert (summary.indexed, summary.reindexed) == (0, 6)


def test_a_torn_picture_is_reported_as_the_candidates_failure(house: House) -> None:
    candidate(house, 1)
    house.pixels.bad.add(house.originals.contents["key-0"])
    house.runner.run("claim")
    [(_, [result])] = house.catalog.reports
    assert (result.encoder, house.catalog.outcomes()) == ("fake@one", {"id-0": "FAILED"})


def test_another_revision_than_the_candidates_is_given_back(house: House) -> None:
    candidate(house, 2, revision="two")
    house.runner.run("claim")
    assert set(house.catalog.outcomes().values()) == {"RETRY"}
    assert house.index.points == {}


def test_new_pictures_are_embedded_with_the_encoder_that_answers(house: House) -> None:
    house.index.name = "the index's own"
    house.waiting(1)
    house.runner.run("claim")
    assert house.embedder.asked_for == ["the index's own"]
    assert house.index.beside == set()


def test_the_index_is_switched_and_that_is_reported(house: House) -> None:
    spec = common_pb2.EncoderSpec(name="next", revision="1")
    house.catalog.claim_response.switch_to.CopyFrom(spec)
    house.runner.run("claim")
    assert house.index.switched_to == [spec]
    assert house.catalog.switched == spec


def test_an_index_that_is_away_is_switched_later(house: House) -> None:
    house.catalog.claim_response.switch_to.CopyFrom(common_pb2.EncoderSpec(name="next"))
    house.index.error = ServiceUnavailable(service="search_service")
    house.runner.run("claim")
    assert house.catalog.reports == []


def test_the_vectors_of_a_former_encoder_are_dropped_and_that_is_reported(house: House) -> None:
    spec = common_pb2.EncoderSpec(name="former", revision="1")
    house.catalog.claim_response.drop.CopyFrom(spec)
    house.runner.run("claim")
    assert house.index.dropped == [spec]
    assert house.catalog.dropped == spec


def test_an_index_that_is_away_drops_them_later(house: House) -> None:
    house.catalog.claim_response.drop.CopyFrom(common_pb2.EncoderSpec(name="former"))
    house.index.error = ServiceUnavailable(service="search_service")
    house.runner.run("claim")
    assert house.catalog.reports == []
