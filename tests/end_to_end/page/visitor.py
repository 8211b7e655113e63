"""The page as a visitor sees it: Chromium, what it complains of, and pictures of its screens."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Error,
    Locator,
    Request,
    expect,
    sync_playwright,
)

from tests.end_to_end.conftest import Stack, free_port
from viewfinder.client import FileToUpload

Jpeg = Callable[..., bytes]

BROWSER_MARKS = [
    pytest.mark.stack,
    pytest.mark.browser,
    pytest.mark.slow,  # starts all services and a browser once
]
SCREENSHOTS = Path(__file__).parents[3] / "artifacts" / "screenshots"
SLOWEST_MS = 20_000
DESKTOP = (1280, 800)
PHONE = (390, 844)
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")


def chromium() -> Iterator[Browser]:
    """The system's, else Playwright's own."""
    system = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=system, args=list(_FLAGS))
        except Error as error:
            if system is not None:
                raise
            pytest.skip(f"no Chromium here, neither the system's nor Playwright's: {error.message}")
        yield browser
        browser.close()


class Visitor:
    """One window on the page, and what went wrong in it."""

    def __init__(
        self, browser: Browser, url: str, size: tuple[int, int] = DESKTOP, dark: bool = False
    ) -> None:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            has_touch=size == PHONE,
            is_mobile=size == PHONE,
        )
        self.url = url
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        self.page = context.new_page()
        self.page.set_default_timeout(SLOWEST_MS)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._see)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _see(self, request: Request) -> None:
        if (host := urlsplit(request.url).hostname) is not None:
            self.hosts.add(host)

    def open(self, path: str = "") -> None:
        """Load the page and wait until it stands."""
        self.page.goto(f"{self.url}/{path}")
        expect(self.page.locator(".vf-brand")).to_be_visible(timeout=SLOWEST_MS)
        self.settled()

    def settled(self) -> None:
        """Wait until nothing on the page is stale or still to come."""
        self.page.wait_for_function(
            """() => document.querySelector('[data-test-script-state="notRunning"]')
                  && !document.querySelector('[data-stale="true"], [data-testid="stSkeleton"]')"""
        )

    def screenshot(self, name: str) -> Path:
        """Keep what is seen now, pictures loaded."""
        self.page.wait_for_function(
            """() => !document.querySelector('[data-testid="stSkeleton"]')
                  && [...document.images].every(i => i.complete
                      || i.getBoundingClientRect().top > innerHeight)"""
        )
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=path, animations="disabled")
        return path

    def search(self, query: str) -> None:
        """Type and press Enter, as everybody does."""
        field = self.page.get_by_label("Describe a picture")
        field.fill(query)
        field.press("Enter")
        expect(self.page.get_by_text("the best match first")).to_be_visible(timeout=SLOWEST_MS)
        self.page.wait_for_url("**/?q=*")
        self.settled()

    def drop(self, *files: Path) -> None:
        """Into the drop zone."""
        zone = self.page.locator('[class*="st-key-drop-"]')
        zone.locator("input[type=file]").set_input_files([str(file) for file in files])

    @property
    def tiles(self) -> Locator:
        """The pictures of the gallery."""
        return self.page.locator(".vf-card")

    @property
    def names(self) -> list[str]:
        """Their file names, in order."""
        return self.page.locator(".vf-name").all_inner_texts()

    @property
    def dialog(self) -> Locator:
        """The large picture."""
        return self.page.locator("section[role=dialog]")

    def width_of_content(self) -> int:
        """CSS pixels; more than the window's means scrolling sideways."""
        return int(self.page.evaluate("document.documentElement.scrollWidth"))


Open = Callable[..., Visitor]


def add(stack: Stack, content: bytes, name: str, tags: list[str] | None = None) -> str:
    """One searchable picture more; its id."""
    accepted = stack.client.upload([FileToUpload(content, file_name=name)], tags=tags or [])
    *_, job = stack.client.watch_job(accepted.job_id)
    assert job.indexed == 1
    return accepted.images[0].id


def eventually(holds: Callable[[], bool]) -> None:
    """Wait for what the page does not show."""
    deadline = time.monotonic() + SLOWEST_MS / 1000
    while not holds():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.1)


@contextmanager
def page_without_gateway(data_dir: Path) -> Iterator[str]:
    """The page alone, told of a gateway that is not there; its address."""
    port, nobody = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "frontend"],
        env={
            **os.environ,
            "VIEWFINDER_DATA_DIR": str(data_dir),
            "VIEWFINDER_FRONTEND_PORT": str(port),
            "VIEWFINDER_API_URL": f"http://127.0.0.1:{nobody}",
        },
    )
    try:
        for _ in range(200):
            try:
                if httpx.get(f"{url}/_stcore/health").is_success:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)
