"""Models behind real HTTP: stand-ins of both protocols, and Ollama itself where it answers."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.vision.model_server import MODEL, ModelServer
from tests.vision.ollama_server import ollama_server
from tests.vision.openai_server import openai_server
from viewfinder.vision.model import VisionModel
from viewfinder.vision.opening import open_vision_model
from viewfinder.vision.settings import VisionSettings

OpenModel = Callable[..., VisionModel]


def settings_for(server: ModelServer, **values: Any) -> VisionSettings:
    where = (
        {"llm_base_url": f"{server.url}/v1"}
        if server.kind == "openai"
        else {"ollama_host": server.url}
    )
    return VisionSettings(
        _env_file=None, **{"llm_enabled": True, "llm_model": MODEL, **where, **values}
    )


@pytest.fixture
def ollama() -> Iterator[ModelServer]:
    with ollama_server() as server:
        yield server


@pytest.fixture
def openai() -> Iterator[ModelServer]:
    with openai_server() as server:
        yield server


@pytest.fixture(params=["ollama", "openai"])
def server(request: pytest.FixtureRequest) -> ModelServer:
    """Each of the two, one after the other."""
    server: ModelServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture
async def open_model() -> AsyncIterator[OpenModel]:
    """Opens models of a server; closes them at the end."""
    opened: list[VisionModel] = []

    def open_one(server: ModelServer, **values: Any) -> VisionModel:
        model = open_vision_model(settings_for(server, **values))
        assert model is not None
        opened.append(model)
        return model

    yield open_one
    for model in opened:
        await model.close()


@dataclass(frozen=True)
class Seeing:
    """A model, and the stand-in it is of; None: a real one."""

    model: VisionModel
    server: ModelServer | None


def _real_ollama() -> str:
    """Why there is none, or nothing."""
    host = os.environ.get("OLLAMA_HOST", "")
    if not host:
        return "no OLLAMA_HOST in the environment"
    if not os.environ.get("LLM_MODEL"):
        return "no LLM_MODEL in the environment"
    try:
        httpx.get(f"{host if '://' in host else f'http://{host}'}/api/version", timeout=2)
    except httpx.HTTPError as error:
        return f"OLLAMA_HOST={host} does not answer: {error!r}"
    return ""


@pytest.fixture(params=["ollama", "openai", "real Ollama"])
async def seeing(request: pytest.FixtureRequest, open_model: OpenModel) -> AsyncIterator[Seeing]:
    """Both stand-ins, and the Ollama that OLLAMA_HOST and LLM_MODEL name."""
    if request.param != "real Ollama":
        server = request.getfixturevalue(request.param)
        yield Seeing(open_model(server), server)
        return
    problem = _real_ollama()
    if problem:
        pytest.skip(problem)
    model = open_vision_model(VisionSettings(llm_enabled=True, _env_file=None))
    assert model is not None
    yield Seeing(model, None)
    await model.close()
