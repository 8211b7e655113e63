"""Descriptions by a vision model: beside all else, and reported each for itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.gateway.waiting import until as until_async
from tests.vision.conftest import settings_for
from tests.vision.looking import jpeg, picture
from tests.vision.model_server import ModelServer, dead_address
from tests.vision.ollama_server import ollama_server
from tests.vision.openai_server import openai_server
from tests.worker.conftest import FakeClock, House
from viewfinder.errors import (
    DeadlineExceeded,
    InvalidRequest,
    Overloaded,
    ServiceUnavailable,
    ViewfinderError,
    VisionModelFailed,
    VisionModelMissing,
    VisionModelUnavailable,
)
from viewfinder.v1 import catalog_pb2
from viewfinder.vision.opening import open_vision_model
from viewfinder.vision.pictures import Description, ShownPicture
from viewfinder.vision.settings import VisionSettings
from viewfinder.vision.shapes import NotInShapeError
from worker.batch import BatchRunner
from worker.describing import DescribingLimits, PictureDescriber, Vision
from worker.payload import point_of
from worker.reading import TextReader
from worker.text import text_of

AWAY = VisionModelUnavailable("looker", "somewhere", "nothing answers there")


class FakeVision:
    """Sees the first byte of a picture. Waits while `go` is not set; `error` is raised."""

    name = "looker"

    def __init__(self) -> None:
        self.shown: list[ShownPicture] = []
        self.go = threading.Event()
        self.go.set()
        self.error: Exception | None = None
        self.running = 0
        self.most_running = 0
        self.is_closed = False

    async def describe(self, picture: ShownPicture) -> Description:
        self.shown.append(picture)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            while not self.go.is_set():
                await asyncio.sleep(0.005)
        finally:
            self.running -= 1
        if self.error is not None:
            raise self.error
        return Description(f"picture {picture.jpeg[0]}", ("thing",), "", ("red",), "indoors")

    async def close(self) -> None:
        self.is_closed = True


class Desk:
    """A describer among its peers."""

    def __init__(self, house: House, vision: Vision | None = None) -> None:
        self.house = house
        self.vision = FakeVision()
        self.clock = FakeClock()
        self.woken = 0
        self.describer = PictureDescriber(
            "describer-3",
            house.decoder,
            vision or self.vision,
            house.catalog,
            self._wake,
            DescribingLimits(concurrency=2, max_side=64),
            self.clock,
        )

    def _wake(self) -> None:
        self.woken += 1

    def records(self, count: int) -> list[catalog_pb2.ImageRecord]:
        made = [self.house.record(number) for number in range(count)]
        for record in made:
            record.width, record.height = 200, 100
        return made


@pytest.fixture
def desk(house: House) -> Iterator[Desk]:
    desk = Desk(house)
    yield desk
    desk.vision.go.set()
    desk.describer.close()


async def until(condition: Callable[[], bool]) -> None:
    await until_async(condition)


def results(house: House) -> dict[str, catalog_pb2.WorkResult]:
    return {one.id: one for _, reported in house.catalog.reports for one in reported}


async def test_what_it_shows_is_reported_under_the_name_of_the_describer(desk: Desk) -> None:
    desk.describer.take(desk.records(3))
    await until(lambda: len(results(desk.house)) == 3)
    assert {name for name, _ in desk.house.catalog.reports} == {"describer-3"}
    first = results(desk.house)["id-0"]
    assert first.outcome == catalog_pb2.WorkResult.OUTCOME_DESCRIBED
    assert (first.description.caption, first.description.model) == ("picture 1", "looker")
    assert list(first.description.objects) == ["thing"]
    assert {one.jpeg[1] for one in desk.vision.shown} == {64}  # as wide as the model wants it
    await until(lambda: desk.woken == 3)


async def test_few_are_in_hand_and_fewer_are_asked_at_once(desk: Desk) -> None:
    desk.vision.go.clear()
    assert desk.describer.offer().room == 4
    desk.describer.take(desk.records(4))
    assert desk.describer.offer().room == 0
    assert set(desk.describer.offer().in_hand) == {"id-0", "id-1", "id-2", "id-3"}
    await until(lambda: desk.vision.running == 2)
    desk.vision.go.set()
    await until(lambda: desk.describer.offer().room == 4)
    assert desk.vision.most_running == 2


async def test_a_batch_does_not_wait_for_it(desk: Desk) -> None:
    house = desk.house
    desk.vision.go.clear()
    runner = BatchRunner(
        house.catalog,
        lambda: house.abilities,
        house.indexer,
        TextReader(house.decoder, house.embedder, house.index),
        house.index,
        house.renditions,
        house.stop,
        describer=desk.describer,
    )
    house.catalog.claim_response.to_describe.extend(desk.records(2))
    runner.run("claim")
    assert house.catalog.abilities is not None
    offer = house.catalog.abilities.describer
    assert offer is not None
    assert (offer.name, offer.room) == ("describer-3", 4)
    assert house.catalog.reports == []
    desk.vision.go.set()
    await until(lambda: len(results(house)) == 2)


@pytest.mark.parametrize(
    "error",
    [
        AWAY,
        VisionModelMissing("looker", "somewhere", "pull it"),
        VisionModelFailed("looker", "somewhere", "the connection broke"),
        DeadlineExceeded("the vision model"),
        Overloaded("the vision model", 5),
    ],
)
async def test_a_model_in_trouble_is_left_alone_and_nothing_fails(
    desk: Desk, error: ViewfinderError
) -> None:
    desk.vision.error = error
    desk.describer.take(desk.records(4))
    await until(lambda: len(results(desk.house)) == 4)
    assert set(desk.house.catalog.outcomes().values()) == {"RETRY"}
    assert results(desk.house)["id-0"].reason == error.message
    assert len(desk.vision.shown) <= 2  # the others were not even tried
    assert desk.describer.offer().room == 0
    desk.clock.sleep(1.01)
    desk.vision.error = None
    assert desk.describer.offer().room == 4


async def test_the_pause_grows_and_ends_with_the_first_answer(desk: Desk) -> None:
    pauses = []
    desk.vision.error = AWAY
    for number in range(8):
        desk.describer.take(desk.records(1))
        await until(lambda number=number: len(desk.house.catalog.reports) == number + 1)  # type: ignore[misc]
        await until(lambda: not desk.describer.offer().in_hand)
        before = desk.clock.now_s
        while desk.describer.offer().room == 0:
            desk.clock.sleep(0.5)
        pauses.append(desk.clock.now_s - before)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    desk.vision.error = None
    desk.describer.take(desk.records(1))
    await until(lambda: len(desk.house.catalog.reports) == 9)
    assert desk.describer.offer().room > 0


async def test_a_model_that_answers_nonsense_fails_that_picture_only(desk: Desk) -> None:
    error = VisionModelFailed("looker", "somewhere", "it did not answer in the form asked for")
    error.__cause__ = NotInShapeError("no JSON")
    desk.vision.error = error
    desk.describer.take(desk.records(1))
    await until(lambda: len(results(desk.house)) == 1)
    assert desk.house.catalog.outcomes() == {"id-0": "FAILED"}
    assert desk.describer.offer().room > 0


async def test_a_torn_picture_fails_and_a_store_that_is_away_does_not(desk: Desk) -> None:
    torn, away = desk.records(2)
    desk.house.pixels.bad.add(desk.house.originals.contents[torn.blob_key])
    desk.describer.take([torn])
    await until(lambda: len(results(desk.house)) == 1)
    desk.house.originals.error = ServiceUnavailable(service="the store")
    desk.describer.take([away])
    await until(lambda: len(results(desk.house)) == 2)
    assert desk.house.catalog.outcomes() == {"id-0": "FAILED", "id-1": "RETRY"}
    assert desk.vision.shown == []


async def test_an_answer_is_not_lost_while_the_catalogue_is_away(desk: Desk) -> None:
    desk.house.catalog.errors = [ServiceUnavailable(service="the catalogue")] * 2
    desk.describer.take(desk.records(1))
    await until(lambda: len(results(desk.house)) == 1)
    assert desk.house.catalog.outcomes() == {"id-0": "DESCRIBED"}
    assert len(desk.vision.shown) == 1


async def test_a_description_that_the_catalogue_refuses_has_failed(desk: Desk) -> None:
    desk.house.catalog.errors = [InvalidRequest("description.caption", "empty", "a sentence")]
    desk.describer.take(desk.records(1))
    await until(lambda: len(results(desk.house)) == 1)
    assert desk.house.catalog.outcomes() == {"id-0": "FAILED"}


def test_a_worker_that_stops_gives_back_what_it_has_in_hand(house: House) -> None:
    desk = Desk(house)
    desk.vision.go.clear()
    desk.describer.take(desk.records(3))
    desk.describer.close()
    assert house.catalog.outcomes() == {f"id-{number}": "RETRY" for number in range(3)}
    assert desk.vision.is_closed
    assert desk.describer.offer().room == 0


def test_its_words_are_searched_and_its_caption_is_shown(house: House) -> None:
    record = house.record(0)
    record.description.caption = "A dog on a beach"
    record.description.objects.extend(["dog", "ball"])
    record.description.text = "CLOSED"
    record.description.colours.append("blue")
    record.description.setting = "at noon"
    point = point_of(record)
    assert dict(point.payload)["description"] == "A dog on a beach"
    assert point.text == "0.png\nA dog on a beach\ndog, ball\nat noon\nblue\nCLOSED"
    assert point.described == "A dog on a beach\ndog, ball\nat noon\nblue\nCLOSED"
    record.text = "closed today"  # what was read counts more than what a model reads
    assert text_of(record).endswith("blue\nclosed today")
    assert point_of(record).described.endswith("CLOSED")


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ollama_server() as server:
        yield server


@pytest.fixture(params=[ollama_server, openai_server])
def a_server(request: pytest.FixtureRequest) -> Iterator[ModelServer]:
    """Of each of the two protocols."""
    with request.param() as server:
        yield server


def over_http(house: House, settings: VisionSettings) -> Desk:
    vision = open_vision_model(settings)
    assert vision is not None
    return Desk(house, vision)


@pytest.mark.parametrize(
    ("behaviour", "asked", "outcome"),
    [("not-json", 2, "FAILED"), ("wrong-json", 2, "FAILED"), ("sorry", 2, "DESCRIBED")],
)
async def test_a_lying_model_is_asked_once_more_and_then_refused(
    house: House, server: ModelServer, behaviour: str, asked: int, outcome: str
) -> None:
    server.behaviour = behaviour  # type: ignore[assignment]
    desk = over_http(house, settings_for(server))
    desk.describer.take([real_picture(house)])
    await until(lambda: not desk.describer.offer().in_hand)
    desk.describer.close()
    assert house.catalog.outcomes() == {"id-0": outcome}
    assert len(server.chats) == asked
    if outcome == "FAILED":
        assert "form asked for" in results(house)["id-0"].reason


async def test_a_picture_that_the_server_refuses_is_refused_alone(
    house: House, a_server: ModelServer
) -> None:
    a_server.refused_colours = frozenset({"red"})
    desk = over_http(house, settings_for(a_server))
    desk.describer.take([real_picture(house, "red")])
    await until(lambda: not desk.describer.offer().in_hand)
    assert desk.describer.offer().room == 4  # others may go on
    desk.describer.close()
    assert house.catalog.outcomes() == {"id-0": "REFUSED"}
    assert "against our policy" in results(house)["id-0"].reason
    assert results(house)["id-0"].model == "stand-in"
    refused, plain = (chat.seen[0] for chat in a_server.chats)
    assert (refused.colour, plain.shapes, plain.width) == ("red", 0, 64)


async def test_a_server_that_refuses_every_picture_holds_all_up_and_none_fails(
    house: House, a_server: ModelServer
) -> None:
    a_server.behaviour, a_server.status, a_server.error = "error", 400, "API key not valid"
    desk = over_http(house, settings_for(a_server))
    desk.describer.take([real_picture(house)])
    await until(lambda: not desk.describer.offer().in_hand)
    assert desk.describer.offer().room == 0
    desk.describer.close()
    assert house.catalog.outcomes() == {"id-0": "RETRY"}
    assert "plain grey picture: API key not valid" in results(house)["id-0"].reason


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_wrong_key_or_model_holds_all_up_without_asking_twice(
    house: House, a_server: ModelServer, status: int
) -> None:
    a_server.behaviour, a_server.status, a_server.error = "error", status, "no such key"
    desk = over_http(house, settings_for(a_server))
    desk.describer.take([real_picture(house)])
    await until(lambda: not desk.describer.offer().in_hand)
    assert desk.describer.offer().room == 0
    desk.describer.close()
    assert house.catalog.outcomes() == {"id-0": "RETRY"}
    assert len(a_server.chats) == 1


async def test_no_server_at_all_is_no_failure(house: House) -> None:
    settings = VisionSettings(
        _env_file=None, llm_enabled=True, llm_model="stand-in", ollama_host=dead_address()
    )
    desk = over_http(house, settings)
    desk.describer.take([real_picture(house)])
    await until(lambda: not desk.describer.offer().in_hand)
    desk.describer.close()
    assert house.catalog.outcomes() == {"id-0": "RETRY"}
    assert "ollama serve" in results(house)["id-0"].reason


def real_picture(house: House, colour: str = "green") -> catalog_pb2.ImageRecord:
    content = jpeg(picture(colour, 2))
    house.pixels.render = lambda *_: content  # type: ignore[method-assign, assignment]
    return house.record(0)
