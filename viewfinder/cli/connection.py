"""How commands reach the gateway, and what they say when it does not work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from pydantic import Field
from rich.console import Console

from viewfinder.cli.stack_settings import StackSettings
from viewfinder.client import Client
from viewfinder.errors import ServiceUnavailable, Unauthorized, ViewfinderError
from viewfinder.settings import load_settings

NOT_DONE = 1
WRONG_ARGUMENT = 2
INTERRUPTED = 130


class ConnectionSettings(StackSettings):
    """Where commands find the gateway."""

    remote_api_url: str = Field(
        "",
        alias="VIEWFINDER_API_URL",
        description="Where commands find the gateway; empty: API_PORT on this machine",
    )


def fail(text: str, status: int = NOT_DONE) -> typer.Exit:
    """Say why on standard error; raise what is returned."""
    Console(stderr=True, highlight=False).print(text, style="red", soft_wrap=True, markup=False)
    return typer.Exit(status)


@contextmanager
def gateway(api: str | None = None) -> Iterator[Client]:
    """A client of the gateway; errors become one line and an exit status."""
    settings = load_settings(ConnectionSettings)
    url = api or settings.remote_api_url or settings.api_url
    with Client(url, api_key=settings.api_key or None) as client:
        try:
            yield client
        except ServiceUnavailable as error:
            raise fail(
                f"{error.message}\nIs it running? Start it with: viewfinder up --detach"
            ) from None
        except Unauthorized:
            raise fail("The gateway asks for an API key: set VIEWFINDER_API_KEY") from None
        except ViewfinderError as error:
            wrong = error.http_status in (404, 422)
            raise fail(error.message, WRONG_ARGUMENT if wrong else NOT_DONE) from None
