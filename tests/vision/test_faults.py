"""Servers that are dead, slow, or lie: a clear error in bounded time, and nothing left running."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from tests.vision.conftest import OpenModel, settings_for
from tests.vision.looking import jpeg, picture
from tests.vision.model_server import Behaviour, ModelServer, dead_address
from viewfinder.errors import (
    DeadlineExceeded,
    Overloaded,
    ViewfinderError,
    VisionModelFailed,
    VisionModelMissing,
    VisionModelRefused,
    VisionModelUnavailable,
)
from viewfinder.vision.breaker import Breaker
from viewfinder.vision.model import VisionModel
from viewfinder.vision.opening import open_vision_model
from viewfinder.vision.pictures import ShownPicture, plain_picture

SHOWN = [ShownPicture(jpeg(picture("red")))]


async def ask(model: VisionModel) -> str:
    return "".join([piece async for piece in model.answer("What is it?", SHOWN)])


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ("refuses", VisionModelFailed),
        ("breaks", VisionModelFailed),
        ("stops", VisionModelFailed),
        ("error-inside", VisionModelFailed),
        ("garbage", VisionModelFailed),
        ("silent", VisionModelFailed),
        ("never", DeadlineExceeded),
        ("never-ends", DeadlineExceeded),
        ("endless", VisionModelFailed),
        ("error", VisionModelUnavailable),
    ],
)
async def test_each_fault_of_a_server_is_one_of_our_errors(
    server: ModelServer,
    open_model: OpenModel,
    behaviour: Behaviour,
    error: type[ViewfinderError],
) -> None:
    server.behaviour = behaviour
    patience = {} if error is not DeadlineExceeded else {"llm_timeout_s": 1.0}
    model = open_model(server, **patience)
    with pytest.raises(error) as raised:
        await ask(model)
    assert "stand-in" in raised.value.message


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ("refuses", VisionModelFailed),
        ("garbage", VisionModelFailed),
        ("never", DeadlineExceeded),
        ("error", VisionModelUnavailable),
        ("not-json", VisionModelFailed),
        ("wrong-json", VisionModelFailed),
        ("wrong-picture", VisionModelFailed),
    ],
)
async def test_a_ranking_that_is_none_is_refused(
    server: ModelServer,
    open_model: OpenModel,
    behaviour: Behaviour,
    error: type[ViewfinderError],
) -> None:
    server.behaviour = behaviour
    patience = {} if error is not DeadlineExceeded else {"llm_timeout_s": 0.5}
    with pytest.raises(error):
        await open_model(server, **patience).rank("red", SHOWN * 3, 2)


async def test_json_that_was_wrong_once_is_asked_for_again(
    server: ModelServer, open_model: OpenModel
) -> None:
    server.behaviour = "sorry"
    ranked = await open_model(server).rank("red", SHOWN * 2, 2)
    assert {one.index for one in ranked} == {0, 1}
    assert len(server.chats) == 2
    assert "no JSON object" in str(server.chats[-1].body["messages"][-1])


async def test_json_with_words_around_it_is_read(
    server: ModelServer, open_model: OpenModel
) -> None:
    server.behaviour = "chatty"
    described = await open_model(server).describe(SHOWN[0])
    assert described.colours == ("red",)
    assert len(server.chats) == 1


async def test_a_dead_server_is_named_with_what_to_do() -> None:
    for kind in ("ollama", "openai"):
        model = open_vision_model(settings_for(ModelServer(kind, url=dead_address())))
        assert model is not None
        with pytest.raises(VisionModelUnavailable, match=r"127\.0\.0\.1.*nothing answers"):
            await ask(model)
        assert not (await model.check()).reachable
        await model.close()


async def test_a_missing_model_says_how_to_get_it(
    ollama: ModelServer, openai: ModelServer, open_model: OpenModel
) -> None:
    with pytest.raises(VisionModelMissing, match="ollama pull llava:7b"):
        await ask(open_model(ollama, llm_model="llava:7b"))
    with pytest.raises(VisionModelMissing, match="gpt-9"):
        await ask(open_model(openai, llm_model="gpt-9"))
    state = await open_model(openai, llm_model="gpt-9").check()
    assert state.present is False
    assert "stand-in" in state.detail


async def test_a_model_without_eyes_is_found_out(
    ollama: ModelServer, open_model: OpenModel
) -> None:
    ollama.sees = False
    model = open_model(ollama)
    assert (await model.check()).sees is False
    with pytest.raises(VisionModelFailed, match="does not support images"):
        await ask(model)


@pytest.mark.parametrize("status", [400, 413, 415, 422])
async def test_what_a_server_refuses_to_look_at_is_told_from_its_other_faults(
    server: ModelServer, open_model: OpenModel, status: int
) -> None:
    server.behaviour, server.status, server.error = "error", status, "not such a picture"
    with pytest.raises(VisionModelRefused, match="not such a picture"):
        await open_model(server).describe(SHOWN[0])
    assert len(server.chats) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
async def test_a_wrong_key_model_or_address_is_no_refusal_of_a_picture(
    server: ModelServer, open_model: OpenModel, status: int
) -> None:
    server.behaviour, server.status, server.error = "error", status, "no"
    with pytest.raises(ViewfinderError) as raised:
        await open_model(server).describe(SHOWN[0])
    assert not isinstance(raised.value, VisionModelRefused)


async def test_a_plain_picture_is_one_that_a_model_can_see(
    server: ModelServer, open_model: OpenModel
) -> None:
    await open_model(server).describe(plain_picture(64))
    (seen,) = server.chats[-1].seen
    assert (seen.width, seen.height, seen.shapes) == (64, 64, 0)


async def test_a_server_that_comes_to_its_senses_is_asked_again(
    server: ModelServer, open_model: OpenModel
) -> None:
    server.behaviour, server.faults, server.status = "error", 2, 503
    assert "red" in await ask(open_model(server))
    assert len(server.chats) == 3


async def test_an_answer_that_broke_off_is_not_started_again(
    server: ModelServer, open_model: OpenModel
) -> None:
    server.behaviour, server.faults = "breaks", 1
    with pytest.raises(VisionModelFailed):
        await ask(open_model(server))
    assert len(server.chats) == 1


async def test_who_asks_too_often_is_told_when_to_come_back(
    openai: ModelServer, open_model: OpenModel
) -> None:
    openai.behaviour, openai.status, openai.retry_after = "error", 429, "37"
    with pytest.raises(Overloaded) as raised:
        await ask(open_model(openai))
    assert raised.value.retry_after_s == 37
    assert len(openai.chats) == 1


async def test_a_short_wait_that_the_server_asks_for_is_kept(
    openai: ModelServer, open_model: OpenModel
) -> None:
    openai.behaviour, openai.status, openai.retry_after, openai.faults = "error", 429, "1", 1
    assert "red" in await ask(open_model(openai))
    first, second = openai.chats
    assert second.at - first.at >= 0.9


async def test_a_server_that_fails_again_and_again_is_left_alone(
    server: ModelServer, open_model: OpenModel
) -> None:
    server.behaviour = "error"
    model = open_model(server)
    for _ in range(2):
        with pytest.raises(VisionModelUnavailable):
            await ask(model)
    asked = len(server.chats)
    with pytest.raises(VisionModelUnavailable, match="left alone"):
        await ask(model)
    assert len(server.chats) == asked


async def test_a_check_does_not_wait_for_a_server_that_says_nothing(
    server: ModelServer, open_model: OpenModel
) -> None:
    server.behaviour = "never"
    state = await open_model(server).check(within_s=0.1)
    assert not state.reachable
    assert "does not answer" in state.detail


async def test_an_address_that_is_none_is_named(ollama: ModelServer, open_model: OpenModel) -> None:
    model = open_model(ollama, ollama_host="http://127.0.0.1:port")
    with pytest.raises(VisionModelUnavailable, match="OLLAMA_HOST"):
        await ask(model)
    assert "OLLAMA_HOST" in (await model.check()).detail


def test_after_a_pause_one_call_tries_and_the_others_wait_for_it() -> None:
    now = [0.0]
    breaker = Breaker("m", "s", clock=lambda: now[0])
    fault = VisionModelUnavailable(model="m", server="s", reason="gone")
    for _ in range(5):
        breaker.admit()
        breaker.failed(fault)
    with pytest.raises(VisionModelUnavailable, match="gone"):
        breaker.admit()
    now[0] = 6.0
    breaker.admit()
    with pytest.raises(VisionModelUnavailable):
        breaker.admit()
    breaker.left()
    breaker.admit()
    breaker.succeeded()
    breaker.admit()


async def test_only_so_many_run_at_once(server: ModelServer, open_model: OpenModel) -> None:
    server.before_first_s = 0.05
    model = open_model(server, llm_concurrency=2)
    answers = await asyncio.gather(*(ask(model) for _ in range(6)))
    assert all("red" in said for said in answers)
    assert server.most_running == 2


async def test_those_beyond_the_queue_are_turned_away(
    server: ModelServer, open_model: OpenModel
) -> None:
    server.before_first_s = 0.3
    model = open_model(server, llm_concurrency=1)
    await model.open()
    outcomes = await asyncio.gather(*(ask(model) for _ in range(7)), return_exceptions=True)
    assert sum(isinstance(one, Overloaded) for one in outcomes) == 2
    assert sum(isinstance(one, str) for one in outcomes) == 5


async def test_leaving_in_the_middle_has_the_server_stop_and_frees_the_place(
    server: ModelServer, open_model: OpenModel
) -> None:
    server.behaviour = "never-ends"
    model = open_model(server, llm_concurrency=1)
    async with aclosing(model.answer("What?", SHOWN)) as pieces:
        assert await anext(pieces)
    assert await asyncio.to_thread(server.left.wait, 5)
    server.behaviour = "good"
    assert "red" in await ask(model)


async def test_cancelling_has_the_server_stop(server: ModelServer, open_model: OpenModel) -> None:
    server.behaviour = "never"
    asking = asyncio.create_task(open_model(server).describe(SHOWN[0]))
    while not server.chats:
        await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await asyncio.to_thread(server.left.wait, 5)
