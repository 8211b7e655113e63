"""The gateway as docker-compose.yml sets it: without a key, reached on this machine only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
import pytest
from starlette.responses import PlainTextResponse

from gateway.access import Access
from gateway.settings import GatewaySettings
from gateway.urls import Urls
from tests.deploy.deployment import Compose

StatusFor = Callable[[str], Awaitable[int]]


@pytest.fixture
def status_for(compose: Compose, monkeypatch: pytest.MonkeyPatch) -> StatusFor:
    """Asks the gateway's door under a name, and tells the status of the answer."""
    for name, value in compose.default_environment("gateway").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("API_HOST", "0.0.0.0")  # as the image has it
    door = Access(PlainTextResponse("let in"), GatewaySettings(_env_file=None), Urls())

    async def ask(host: str) -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(door)) as client:
            return (await client.get(f"http://{host}/images")).status_code

    return ask


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "gateway:8000"])
async def test_the_user_and_the_page_are_let_in(status_for: StatusFor, host: str) -> None:
    assert await status_for(host) == 200


async def test_a_web_page_whose_name_points_here_is_not(status_for: StatusFor) -> None:
    assert await status_for("pictures.attacker.example:8000") == 403
