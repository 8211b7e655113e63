"""The gateway in front of fake services: in process, or on a port where the network matters."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from gateway.app import create_app
from gateway.settings import GatewaySettings
from tests.gateway.coloured import COLOURS, hit
from tests.gateway.fake_records import record
from tests.gateway.fake_services import FakeServices, serve
from tests.vision import looking
from tests.vision.model_server import MODEL, ModelServer
from tests.vision.ollama_server import ollama_server

OpenGateway = Callable[..., Awaitable[httpx.AsyncClient]]
OpenLive = Callable[..., Awaitable["LiveGateway"]]
VisionSettings = dict[str, Any]


@dataclass(frozen=True)
class LiveGateway:
    """A gateway on a port of its own."""

    port: int
    client: httpx.AsyncClient

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A bare connection, for clients that misbehave."""
        return await asyncio.open_connection("127.0.0.1", self.port)


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[FakeServices]:
    services = FakeServices(f"unix:{tmp_path}/services.sock")
    async with serve(services):
        yield services


@pytest.fixture
def gateway_settings(services: FakeServices, tmp_path: Path) -> Callable[..., GatewaySettings]:
    def make(**values: Any) -> GatewaySettings:
        addresses = {
            f"{name}_address": services.address for name in ("upload", "embedding", "search")
        }
        known = {**addresses, "image_address": services.address, "data_dir": tmp_path}
        return GatewaySettings(_env_file=None, **{**known, **values})

    return make


@pytest.fixture
async def open_gateway(
    gateway_settings: Callable[..., GatewaySettings],
) -> AsyncIterator[OpenGateway]:
    """Opens gateways with other settings; a client of each."""
    async with AsyncExitStack() as stack:

        async def open_one(**values: Any) -> httpx.AsyncClient:
            app = create_app(gateway_settings(**values))
            await stack.enter_async_context(app.router.lifespan_context(app))
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url="http://localhost")
            return await stack.enter_async_context(client)

        yield open_one


@pytest.fixture
async def client(open_gateway: OpenGateway) -> httpx.AsyncClient:
    """A client of a gateway with the defaults."""
    return await open_gateway()


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # signals are pytest's


@pytest.fixture
async def open_live(
    gateway_settings: Callable[..., GatewaySettings],
) -> AsyncIterator[OpenLive]:
    """Opens gateways on free ports."""
    async with AsyncExitStack() as stack:

        async def open_one(**values: Any) -> LiveGateway:
            listener = stack.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            port = int(listener.getsockname()[1])
            app = create_app(gateway_settings(**values))
            config = uvicorn.Config(
                app, log_config=None, access_log=False, timeout_graceful_shutdown=1
            )
            server = _Server(config)
            running = asyncio.create_task(server.serve(sockets=[listener]))

            async def stop() -> None:
                server.should_exit = True
                await running

            stack.push_async_callback(stop)
            while not server.started:
                await asyncio.sleep(0.005)
            client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60)
            return LiveGateway(port, await stack.enter_async_context(client))

        yield open_one


@pytest.fixture
async def live(open_live: OpenLive) -> LiveGateway:
    """A gateway with the defaults on a port."""
    return await open_live()


@pytest.fixture
def ollama() -> Iterator[ModelServer]:
    with ollama_server() as server:
        yield server


@pytest.fixture
def asks(ollama: ModelServer) -> VisionSettings:
    """The settings of a gateway with a vision model."""
    return {"llm_enabled": True, "llm_model": MODEL, "ollama_host": ollama.url}


@pytest.fixture
def coloured_pictures(services: FakeServices) -> None:
    """A red, a green and a blue one, found in this order."""
    for image_id, colour in COLOURS.items():
        name = f"{colour}.jpg"
        services.catalog.records[image_id] = record(image_id, file_name=name, tags=["of paint"])
        services.image.renditions[image_id] = looking.jpeg(looking.picture(colour, 2))
    services.search.hits = [hit(image_id) for image_id in COLOURS]
