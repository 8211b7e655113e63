from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from viewfinder.errors import EncoderMismatch, InvalidRequest, StorageFull, ViewfinderError

if TYPE_CHECKING:
    from tests.worker.conftest import House


def test_a_bad_picture_fails_alone_with_its_reason(house: House) -> None:
    ids = house.waiting(8)
    house.pixels.bad = {bytes([3])}
    house.runner.run("claim")
    outcomes = house.catalog.outcomes()
    assert outcomes.pop(ids[2]) == "FAILED"
    assert set(outcomes.values()) == {"INDEXED"}
    assert house.catalog.reason(ids[2]) == "'2.png' cannot be read: it is torn"


def test_nothing_but_bad_pictures_is_a_batch_too(house: House) -> None:
    house.waiting(2)
    house.pixels.bad = {bytes([1]), bytes([2])}
    house.runner.run("claim")
    assert set(house.catalog.outcomes().values()) == {"FAILED"}
    assert house.index.upserts == []


def test_a_missing_original_fails_alone(house: House) -> None:
    ids = house.waiting(2)
    del house.originals.contents["key-0"]
    house.runner.run("claim")
    assert house.catalog.outcomes() == {ids[0]: "FAILED", ids[1]: "INDEXED"}
    assert "not in the store" in house.catalog.reason(ids[0])


def test_a_store_that_cannot_be_read_is_not_the_pictures_fault(house: House) -> None:
    ids = house.waiting(1)
    house.originals.error = OSError(5, "Input/output error")
    house.runner.run("claim")
    assert house.catalog.outcomes() == {ids[0]: "RETRY"}


def test_an_embedder_that_is_away_fails_no_picture(house: House) -> None:
    house.waiting(6)
    house.embedder.away = True
    house.runner.run("claim")
    assert set(house.catalog.outcomes().values()) == {"RETRY"}


def test_an_embedder_that_goes_away_in_the_middle_keeps_what_is_done(house: House) -> None:
    ids = house.waiting(12)
    embed = house.embedder.embed

    def once(*args: object) -> object:
        answer = embed(*args)  # type: ignore[arg-type]
        house.embedder.away = True
        return answer

    house.embedder.embed = once  # type: ignore[method-assign, assignment]
    house.runner.run("claim")
    outcomes = house.catalog.outcomes()
    assert [outcomes[id_] for id_ in ids] == ["INDEXED"] * 4 + ["RETRY"] * 8


def test_a_bad_picture_fails_even_while_the_embedder_is_away(house: House) -> None:
    ids = house.waiting(2)
    house.indexer.index([house.record(9)], lambda: True)  # the encoder is known from before
    house.pixels.bad = {bytes([1])}
    house.embedder.away = True
    house.runner.run("claim")
    assert house.catalog.outcomes() == {ids[0]: "FAILED", ids[1]: "RETRY"}


@pytest.mark.parametrize(
    "error", [StorageFull(where="index", reason="disk full"), EncoderMismatch("a", "b")]
)
def test_an_index_that_takes_nothing_fails_no_picture(house: House, error: ViewfinderError) -> None:
    house.waiting(3)
    house.index.error = error
    house.runner.run("claim")
    assert set(house.catalog.outcomes().values()) == {"RETRY"}


def test_a_picture_that_trips_the_encoder_does_not_hold_up_the_others(house: House) -> None:
    ids = house.waiting(4)
    house.embedder.cursed = {2}
    house.runner.run("claim")
    outcomes = house.catalog.outcomes()
    assert outcomes.pop(ids[1]) == "RETRY"
    assert set(outcomes.values()) == {"INDEXED"}


def test_a_picture_that_trips_the_encoder_again_and_again_fails(house: House) -> None:
    ids = house.waiting(1)
    house.embedder.cursed = {1}
    seen = []
    for _ in range(3):
        house.runner.run("claim")
        seen.append(house.catalog.outcomes()[ids[0]])
    assert seen == ["RETRY", "RETRY", "FAILED"]


def test_a_point_that_trips_the_index_does_not_hold_up_the_others(house: House) -> None:
    ids = house.waiting(4)
    house.index.unwelcome = {ids[3]}
    house.runner.run("claim")
    assert sorted(house.index.points) == ids[:3]
    assert house.catalog.outcomes()[ids[3]] == "RETRY"


def test_the_encoder_is_asked_for_once(house: House) -> None:
    house.waiting(2)
    for _ in range(5):
        house.runner.run("claim")
    assert house.embedder.asked_for_spec == 1


def test_another_encoder_gets_its_own_kind_of_pixels(house: House) -> None:
    house.waiting(3)
    house.runner.run("before")
    house.embedder.revision, house.embedder.size = "two", 6
    house.runner.run("after")
    assert set(house.catalog.outcomes().values()) == {"INDEXED"}
    assert house.embedder.asked_for_spec == 2


def test_another_encoder_that_refuses_our_pixels_is_noticed(house: House) -> None:
    house.waiting(1)
    house.runner.run("before")
    embed = house.embedder.embed
    house.embedder.revision, house.embedder.size = "two", 6

    def strict(pixels: object, encoder: object) -> object:
        if pixels[0].shape[1] != 6:  # type: ignore[index]
            raise InvalidRequest(field="pixels", value="4 x 4", allowed="6 x 6")
        return embed(pixels, encoder)  # type: ignore[arg-type]

    house.embedder.embed = strict  # type: ignore[method-assign, assignment]
    house.runner.run("after")
    assert set(house.catalog.outcomes().values()) == {"INDEXED"}


def test_no_call_is_larger_than_the_encoder_takes(house: House) -> None:
    house.waiting(7)
    house.embedder.max_batch = 3
    house.runner.run("claim")
    assert house.embedder.batches == [3, 3, 1]
