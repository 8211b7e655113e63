"""Reading what stands in pictures, when nothing else waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from viewfinder.errors import (
    BrokenImage,
    DeadlineExceeded,
    InternalError,
    Overloaded,
    ServiceUnavailable,
    ViewfinderError,
)
from viewfinder.v1 import common_pb2
from worker.abilities import Abilities, KnownAbilities

if TYPE_CHECKING:
    from tests.worker.conftest import FakeClock, House

AWAY = ServiceUnavailable(service="somebody")


def to_read(house: House, count: int) -> list[str]:
    """Ids of pictures that are indexed and wait to be read; picture i is of value i + 1."""
    for number in range(count):
        record = house.record(number)
        house.catalog.claim_response.to_read.append(record)
        house.index.points[record.id] = ([1.0], {})
    return [record.id for record in house.catalog.claim_response.to_read]


def test_what_stands_in_a_picture_gets_to_its_point_and_to_the_catalogue(house: House) -> None:
    [id_] = to_read(house, 1)
    house.embedder.texts[1] = "Bakery\nopen now"
    summary = house.runner.run("claim")
    assert house.index.texts[id_] == "0.png\nBakery\nopen now"
    text = house.catalog.texts()[id_]
    assert text is not None
    assert [word.text for word in text.words] == ["Bakery", "open", "now"]
    assert house.catalog.outcomes() == {id_: "READ"}
    assert summary.read == 1


def test_it_is_reported_with_the_version_of_its_payload(house: House) -> None:
    to_read(house, 2)
    house.runner.run("claim")
    [(_, results)] = house.catalog.reports
    assert [result.version for result in results] == [1, 2]


def test_a_picture_without_text_is_read_too_and_its_point_left_alone(house: House) -> None:
    [id_] = to_read(house, 1)
    house.runner.run("claim")
    text = house.catalog.texts()[id_]
    assert text is not None
    assert (text.source, len(text.words)) == ("ocr", 0)
    assert house.index.texts == {}


def test_words_that_another_reader_does_not_see_go(house: House) -> None:
    [id_] = to_read(house, 1)
    house.catalog.claim_response.to_read[0].text = "what the last reader saw"
    house.runner.run("claim")
    assert house.index.texts[id_] == "0.png"


@pytest.mark.parametrize(
    "error",
    [AWAY, DeadlineExceeded("embedding_service"), Overloaded("it", 1), InternalError("r")],
)
def test_a_reader_that_is_away_or_busy_is_asked_later(house: House, error: ViewfinderError) -> None:
    [id_] = to_read(house, 1)
    house.embedder.reading_error = error
    house.runner.run("claim")
    assert house.catalog.outcomes() == {id_: "RETRY"}


def test_a_picture_that_breaks_the_reader_is_reported_with_the_reason(house: House) -> None:
    ids = to_read(house, 2)
    read = house.embedder.read

    def fragile(picture: NDArray[np.uint8]) -> common_pb2.ReadText:
        if picture[0, 0, 0] == 1:
            raise BrokenImage(file_name="picture", reason="it makes the reader crash")
        return read(picture)

    house.embedder.read = fragile  # type: ignore[method-assign]
    house.runner.run("claim")
    assert house.catalog.outcomes() == {ids[0]: "FAILED", ids[1]: "READ"}
    assert "crash" in house.catalog.reason(ids[0])


def test_what_the_index_was_not_told_is_not_reported_as_read(house: House) -> None:
    [id_] = to_read(house, 1)
    house.embedder.texts[1] = "words"
    house.index.error = AWAY
    house.runner.run("claim")
    assert house.catalog.outcomes() == {id_: "RETRY"}


def test_a_missing_original_does_not_hold_up_the_others(house: House) -> None:
    ids = to_read(house, 2)
    del house.originals.contents["key-0"]
    house.runner.run("claim")
    assert house.catalog.outcomes() == {ids[0]: "FAILED", ids[1]: "READ"}


def slow_reader(house: House, seconds: float) -> None:
    read = house.embedder.read

    def slow(picture: NDArray[np.uint8]) -> common_pb2.ReadText:
        house.clock.sleep(seconds)
        return read(picture)

    house.embedder.read = slow  # type: ignore[method-assign]


def test_uploads_do_not_wait_long_for_texts(house: House) -> None:
    ids = to_read(house, 6)
    house.catalog.claim_response.more = True
    slow_reader(house, 2)
    summary = house.runner.run("claim")
    outcomes = house.catalog.outcomes()
    assert [outcomes[id_] for id_ in ids] == ["READ"] * 3 + ["RETRY"] * 3
    assert summary.look_again


def test_a_worker_asked_to_stop_reads_no_more(house: House) -> None:
    ids = to_read(house, 3)
    read = house.embedder.read

    def stopped(picture: NDArray[np.uint8]) -> common_pb2.ReadText:
        house.stop.set()
        return read(picture)

    house.embedder.read = stopped  # type: ignore[method-assign]
    house.runner.run("claim")
    outcomes = house.catalog.outcomes()
    assert [outcomes[id_] for id_ in ids] == ["READ", "RETRY", "RETRY"]


def test_abilities_are_asked_for_now_and_then(clock: FakeClock) -> None:
    asked: list[float] = []

    def ask() -> Abilities:
        asked.append(clock.now_s)
        return Abilities(reads=True)

    abilities = KnownAbilities(ask, clock)
    for _ in range(60):
        assert abilities().reads
        clock.sleep(1)
    assert len(asked) == 3


def test_nobody_who_is_away_is_counted_on(clock: FakeClock) -> None:
    answers: list[Abilities | ViewfinderError] = [Abilities(reads=True), AWAY, Abilities(True)]

    def ask() -> Abilities:
        answer = answers.pop(0)
        if isinstance(answer, ViewfinderError):
            raise answer
        return answer

    abilities = KnownAbilities(ask, clock)
    seen = []
    for _ in range(3):
        seen.append(abilities().reads)
        clock.sleep(30)
    assert seen == [True, False, True]
