"""A whole running Viewfinder of the page's tests alone, and windows on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.end_to_end.conftest import Stack, free_port, start_stack, stop_stack
from tests.end_to_end.page.visitor import DESKTOP, Open, Visitor, chromium, eventually
from tests.vision.model_server import MODEL, ModelServer, serve
from tests.vision.ollama_server import OllamaHandler
from viewfinder.cli.samples import sample_pictures
from viewfinder.client import Client


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Not for the whole session: Playwright keeps an event loop running, beside which no test of
    asyncio can run."""
    yield from chromium()


@pytest.fixture(scope="package")
def own_stack(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Of these tests alone: they empty the library and count what is in it. Without a model."""
    settings = {"LLM_ENABLED": "false"}
    started = start_stack(tmp_path_factory.mktemp("browser"), settings=settings)
    yield started
    stop_stack(started)


@pytest.fixture
def empty_library(own_stack: Stack) -> Stack:
    client = own_stack.client
    while found := client.images(limit=200).images:
        for image in found:
            client.delete(image.id)
    return own_stack


@pytest.fixture
def library(own_stack: Stack) -> Stack:
    """The sample pictures are there and searchable, and nothing else is."""
    _only_samples(own_stack.client)
    return own_stack


def _only_samples(client: Client) -> None:
    samples = {path.name: path for path in sample_pictures()}
    for image in client.images(limit=200).images:
        if samples.pop(image.file_name, None) is None:
            client.delete(image.id)
    missing = list(samples.values())
    for start in range(0, len(missing), 8):
        accepted = client.upload(missing[start : start + 8])
        *_, job = client.watch_job(accepted.job_id)
        assert job.indexed == job.total


@pytest.fixture(scope="session")
def model_port() -> int:
    """Where the vision model answers, when there is one."""
    return free_port()


@pytest.fixture
def model(model_port: int) -> Iterator[ModelServer]:
    """It is there."""
    with serve(ModelServer("ollama"), OllamaHandler, model_port) as server:
        yield server


@pytest.fixture(scope="package")
def seeing_stack(
    browser: Browser, model_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Told of a vision model, which is there with the fixture `model`."""
    settings = {
        "LLM_ENABLED": "true",
        "LLM_MODEL": MODEL,
        "LLM_BASE_URL": "",
        "OLLAMA_HOST": f"http://127.0.0.1:{model_port}",
        "VIEWFINDER_LLM_PRICE_PER_IMAGE": "0.002",
        "VIEWFINDER_ANSWER_MIN_RELEVANCE": "0.25",  # so that it is clear what is not there
        "VIEWFINDER_OCR": "false",
    }
    started = start_stack(tmp_path_factory.mktemp("seeing"), settings=settings)
    yield started
    stop_stack(started)


@pytest.fixture
def seeing(seeing_stack: Stack) -> Stack:
    """The sample pictures are there, and none of them is described."""
    client = seeing_stack.client
    client.stop_descriptions()
    _only_samples(client)
    eventually(lambda: not client.descriptions().in_hand)
    for image in client.images(limit=200).images:
        if image.description is not None:
            client.update(image.id, description=None)
    return seeing_stack


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    """A maker of windows: nothing may complain in them, nothing be loaded from elsewhere."""
    windows: list[Visitor] = []

    def open_window(
        stack: Stack | str, path: str = "", size: tuple[int, int] = DESKTOP, dark: bool = False
    ) -> Visitor:
        url = stack if isinstance(stack, str) else stack.frontend_url
        windows.append(Visitor(browser, url, size, dark))
        windows[-1].open(path)
        return windows[-1]

    yield open_window
    for window in windows:
        window.page.context.close()
    assert [window.complaints for window in windows] == [[] for _ in windows]
    assert {host for window in windows for host in window.hosts} <= {"127.0.0.1"}
