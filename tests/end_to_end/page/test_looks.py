"""How the page looks: on a phone, in the dark, in the README, without a gateway.

The screens of all tests of the page are kept in artifacts/screenshots/. `search.png` among them is
the one that README.md shows: after a change of the page, look at it and copy it to docs/images/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.end_to_end.conftest import Stack
from tests.end_to_end.page.visitor import (
    BROWSER_MARKS,
    DESKTOP,
    PHONE,
    Open,
    page_without_gateway,
)

pytestmark = BROWSER_MARKS

README_QUERY = "a cup of coffee"
README_LIMIT_BYTES = 300_000


def test_a_phone_never_scrolls_sideways(library: Stack, visit: Open) -> None:
    visitor = visit(library, size=PHONE)
    visitor.screenshot("phone")
    visitor.search("a cat")
    assert visitor.width_of_content() == PHONE[0]
    visitor.screenshot("results-phone")
    visitor.page.get_by_role("button", name="Open chelsea.png").tap()
    expect(visitor.dialog.get_by_text("451 x 300 pixels")).to_be_visible()
    assert visitor.width_of_content() == PHONE[0]
    visitor.screenshot("dialog-phone")


def test_the_page_is_dark_where_the_system_is(library: Stack, visit: Open) -> None:
    visitor = visit(library, dark=True)
    visitor.search("a cat")
    colours = visitor.page.get_by_test_id("stApp").evaluate(
        "e => [getComputedStyle(e).backgroundColor, getComputedStyle(e).color]"
    )
    background, text = (max(map(int, re.findall(r"\d+", each)[:3])) for each in colours)
    assert background < 60
    assert text > 200
    visitor.screenshot("results-dark")
    visitor.page.get_by_role("button", name="Open chelsea.png").click()
    expect(visitor.dialog.get_by_text("451 x 300 pixels")).to_be_visible()
    visitor.screenshot("dialog-dark")


def test_nothing_of_streamlits_own_is_offered(library: Stack, visit: Open) -> None:
    visitor = visit(library)
    for name in ("stAppDeployButton", "stMainMenu", "stToolbar", "stStatusWidget"):
        expect(visitor.page.get_by_test_id(name)).to_be_hidden()


@pytest.fixture
def lonely_page(tmp_path: Path) -> Iterator[str]:
    with page_without_gateway(tmp_path) as url:
        yield url


def test_a_gateway_that_is_away_is_said_without_a_traceback(lonely_page: str, visit: Open) -> None:
    visitor = visit(lonely_page)
    expect(visitor.page.get_by_role("alert")).to_contain_text("is unavailable")
    expect(visitor.page.get_by_text("viewfinder up")).to_be_visible()
    assert "Traceback" not in visitor.page.locator("body").inner_text()
    visitor.screenshot("gateway-away")
    visitor.page.get_by_role("button", name="Try again").click()
    expect(visitor.page.get_by_role("alert")).to_be_visible()


def test_the_picture_of_the_readme(library: Stack, visit: Open) -> None:
    visitor = visit(library)
    visitor.search(README_QUERY)
    expect(visitor.tiles.first).to_contain_text("coffee.png")
    path = visitor.screenshot("search")
    with Image.open(path) as screen:
        assert screen.size == DESKTOP
        colours = screen.convert("RGB")
    reduced = colours.quantize(palette=colours.quantize(256))  # a third of the bytes
    reduced.save(path, optimize=True)
    assert path.stat().st_size <= README_LIMIT_BYTES
