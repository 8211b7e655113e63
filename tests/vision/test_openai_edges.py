"""Where OpenAI-compatible servers differ, and what of the environment is not used."""

from __future__ import annotations

import pytest

from tests.vision.conftest import OpenModel
from tests.vision.looking import jpeg, picture
from tests.vision.model_server import ModelServer
from viewfinder.errors import VisionModelFailed
from viewfinder.vision.pictures import ShownPicture

SHOWN = [ShownPicture(jpeg(picture(colour))) for colour in ("red", "green")]


def formats(server: ModelServer) -> list[str]:
    return [chat.body.get("response_format", {}).get("type", "none") for chat in server.chats]


@pytest.mark.parametrize(
    ("lacks", "tried"),
    [
        (set[str](), ["json_schema"]),
        ({"json_schema"}, ["json_schema", "json_object"]),
        ({"json_schema", "json_object"}, ["json_schema", "json_object", "none"]),
    ],
)
async def test_the_strictest_form_that_the_server_knows_is_used_and_remembered(
    openai: ModelServer, open_model: OpenModel, lacks: set[str], tried: list[str]
) -> None:
    openai.knows -= lacks
    model = open_model(openai)
    for _ in range(2):
        ranked = await model.rank("a green picture", SHOWN, 1)
        assert ranked[0].index == 1
    assert formats(openai) == [*tried, tried[-1]]


async def test_newer_names_and_fixed_temperatures_are_learned(
    openai: ModelServer, open_model: OpenModel
) -> None:
    openai.knows -= {"max_tokens", "temperature"}
    model = open_model(openai)
    assert (await model.describe(SHOWN[0])).colours == ("red",)
    last = openai.chats[-1].body
    assert "max_completion_tokens" in last
    assert "temperature" not in last
    before = len(openai.chats)
    await model.describe(SHOWN[0])
    assert len(openai.chats) == before + 1


async def test_other_refusals_are_not_tried_again(
    openai: ModelServer, open_model: OpenModel
) -> None:
    openai.behaviour, openai.status, openai.error = "error", 400, "too many images"
    with pytest.raises(VisionModelFailed, match="too many images"):
        await open_model(openai).describe(SHOWN[0])
    assert len(openai.chats) == 1


async def test_a_wrong_key_is_named(openai: ModelServer, open_model: OpenModel) -> None:
    openai.api_key = "secret"
    with pytest.raises(VisionModelFailed, match="OPENAI_API_KEY"):
        await open_model(openai, openai_api_key="other").describe(SHOWN[0])
    assert (await open_model(openai, openai_api_key="secret").describe(SHOWN[0])).caption


async def test_nothing_but_our_settings_is_sent(
    openai: ModelServer, open_model: OpenModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "OPENAI_API_KEY": "of-the-environment",
        "OPENAI_ORG_ID": "org",
        "OPENAI_PROJECT_ID": "project",
        "OPENAI_CUSTOM_HEADERS": "X-Secret: yes\nAuthorization: Bearer stolen",
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    assert (await open_model(openai, openai_api_key="ours").describe(SHOWN[0])).caption
    headers = openai.chats[-1].headers
    assert headers["authorization"] == "Bearer ours"
    assert set(headers) == {
        "host", "accept", "accept-encoding", "connection", "content-type", "content-length",
        "user-agent", "authorization",
    }  # fmt: skip


async def test_ollama_uses_no_proxy_of_the_environment(
    ollama: ModelServer, open_model: OpenModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert (await open_model(ollama).describe(SHOWN[0])).colours == ("red",)


async def test_ollama_is_always_asked_for_the_same_context(
    ollama: ModelServer, open_model: OpenModel
) -> None:
    model = open_model(ollama, llm_context_tokens=9000)
    await model.describe(SHOWN[0])
    await model.rank("red", SHOWN, 1)
    assert {chat.body["options"]["num_ctx"] for chat in ollama.chats} == {9000}
