"""The dialog of one picture, or of a page of a document."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect
from reportlab.pdfgen.canvas import Canvas

from tests.end_to_end.conftest import Stack
from tests.end_to_end.page.visitor import BROWSER_MARKS, DESKTOP, PHONE, Jpeg, Open, add

pytestmark = BROWSER_MARKS


def test_a_click_opens_the_large_picture_with_what_is_known(library: Stack, visit: Open) -> None:
    visitor = visit(library)
    visitor.search("a cat")
    visitor.page.get_by_role("button", name="Open chelsea.png").click()
    expect(visitor.dialog.get_by_text("451 x 300 pixels, 240.5 kB")).to_be_visible()
    expect(visitor.dialog.get_by_text("image/png")).to_be_visible()
    large = visitor.dialog.locator("img")
    expect(large).to_have_attribute("src", re.compile("width=1600"))
    visitor.page.wait_for_function(
        "document.querySelector('[role=dialog] .vf-large img').naturalWidth === 451"
    )
    visitor.screenshot("dialog")
    original = visitor.dialog.get_by_role("link", name="Original").get_attribute("href")
    assert original is not None
    assert httpx.get(original).headers["content-type"] == "image/png"
    visitor.dialog.get_by_role("button", name="More like this").click()
    expect(visitor.dialog).to_be_hidden()
    expect(visitor.page.get_by_text("Pictures like chelsea.png")).to_be_visible()


def test_a_deleted_picture_is_gone_from_the_results(
    library: Stack, visit: Open, jpeg: Jpeg
) -> None:
    image_id = add(library, jpeg("cat"), "unwanted.jpg")
    visitor = visit(library)
    visitor.search("a cat")
    visitor.page.get_by_role("button", name="Open unwanted.jpg").click()
    visitor.dialog.get_by_role("button", name="Delete").click()
    visitor.page.get_by_role("button", name="Delete for good").click()
    expect(visitor.dialog).to_be_hidden()
    visitor.settled()
    assert "unwanted.jpg" not in visitor.names
    assert visitor.names[0] == "chelsea.png"
    assert httpx.get(f"{library.api_url}/images/{image_id}").status_code == 404


def test_the_keyboard_alone_opens_and_closes_a_picture(library: Stack, visit: Open) -> None:
    visitor = visit(library)
    visitor.search("a cat")
    opener = visitor.page.get_by_role("button", name="Open chelsea.png")
    for _ in range(30):
        visitor.page.keyboard.press("Tab")
        if opener.evaluate("element => element === document.activeElement"):
            break
    outline = "e => getComputedStyle(e.closest('[class*=st-key-open-]')).outlineStyle"
    assert opener.evaluate(outline) == "solid"
    visitor.screenshot("focus")
    visitor.page.keyboard.press("Enter")
    expect(visitor.dialog).to_be_visible()
    visitor.page.keyboard.press("Escape")
    expect(visitor.dialog).to_be_hidden()


@pytest.mark.parametrize(("size", "dark"), [(DESKTOP, False), (PHONE, False), (DESKTOP, True)])
def test_a_page_is_found_by_its_words_turned_and_explained(
    library: Stack, visit: Open, tmp_path: Path, size: tuple[int, int], dark: bool
) -> None:
    canvas = Canvas(str(tmp_path / "invoices.pdf"), pagesize=(420, 300))
    for thing in ("oak planks", "glazed tiles", "anchor chains"):
        canvas.drawString(40, 220, f"Invoice of Quillfeather about {thing}")
        canvas.showPage()
    canvas.save()
    visitor = visit(library, size=size, dark=dark)
    visitor.drop(tmp_path / "invoices.pdf")
    expect(visitor.page.get_by_text("3 pages searchable")).to_be_visible(timeout=60_000)
    visitor.search("invoice of quillfeather about glazed tiles")
    first = visitor.tiles.first
    expect(first).to_contain_text("invoices.pdf")
    expect(first).to_contain_text("page 2 of 3")
    assert visitor.width_of_content() <= size[0]
    name = f"documents-{size[0]}{'-dark' if dark else ''}"
    visitor.screenshot(name)
    visitor.page.locator('[class*="st-key-open-"] button').first.click()
    picture = visitor.dialog.locator(".vf-large img")
    expect(picture).to_have_attribute("src", re.compile("/content"))
    visitor.dialog.get_by_text("Why this hit").click()
    expect(picture).to_have_attribute("src", re.compile("/heatmap.*glazed"))
    visitor.page.wait_for_function("document.querySelector('.vf-large img').naturalWidth > 0")
    visitor.screenshot(f"{name}-why")
    visitor.dialog.get_by_role("button", name="Page after").click()
    expect(visitor.dialog.get_by_text("3 of 3").first).to_be_visible()
    expect(visitor.dialog.get_by_role("link", name="Open PDF")).to_have_attribute(
        "href", re.compile("/content#page=3$")
    )
