"""Adding pictures on the page."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.end_to_end.conftest import Stack
from tests.end_to_end.page.visitor import (
    BROWSER_MARKS,
    DESKTOP,
    PHONE,
    SLOWEST_MS,
    Jpeg,
    Open,
    add,
)
from viewfinder.cli.samples import sample_pictures

pytestmark = BROWSER_MARKS


@pytest.mark.parametrize(
    ("name", "size", "dark"),
    [("empty", DESKTOP, False), ("empty-dark", DESKTOP, True), ("empty-phone", PHONE, False)],
)
def test_an_empty_library_invites_to_drop_pictures(
    empty_library: Stack, visit: Open, name: str, size: tuple[int, int], dark: bool
) -> None:
    visitor = visit(empty_library, size=size, dark=dark)
    zone = visitor.page.locator(".st-key-drop-large").bounding_box()
    assert zone is not None
    assert zone["height"] > size[1] / 3
    expect(visitor.page.get_by_text("viewfinder index FOLDER")).to_be_visible()
    assert visitor.width_of_content() <= size[0]
    visitor.screenshot(name)


def test_dropped_pictures_become_searchable_and_a_broken_one_is_named(
    empty_library: Stack, visit: Open, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 no picture")
    visitor = visit(empty_library)
    visitor.drop(*sample_pictures(), broken)
    expect(visitor.page.get_by_role("progressbar")).to_be_visible(timeout=SLOWEST_MS)
    expect(visitor.tiles.first).to_be_visible(timeout=SLOWEST_MS)
    visitor.screenshot("upload-progress")
    count = len(sample_pictures())
    expect(visitor.page.get_by_text(f"{count} pictures searchable")).to_be_visible(timeout=60_000)
    expect(visitor.page.get_by_text("1 file could not be added")).to_be_visible()
    expect(visitor.page.get_by_text("'broken.jpg' cannot be read")).to_be_visible()
    visitor.settled()
    assert "broken.jpg" not in visitor.names
    visitor.screenshot("uploaded")
    visitor.page.get_by_role("button", name="Dismiss").click()
    expect(visitor.page.get_by_text("1 file could not be added")).to_be_hidden()
    visitor.search("a cat")
    expect(visitor.tiles.first).to_contain_text("chelsea.png")


def test_one_can_search_while_pictures_are_still_sent(
    empty_library: Stack, visit: Open, jpeg: Jpeg, tmp_path: Path
) -> None:
    add(empty_library, jpeg("cat"), "cat.jpg")
    for number in range(40):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg())
    visitor = visit(empty_library)
    visitor.drop(*tmp_path.iterdir())
    expect(visitor.page.get_by_role("progressbar")).to_be_visible(timeout=SLOWEST_MS)
    visitor.search("a cat")
    expect(visitor.tiles.first).to_contain_text("cat.jpg")
    expect(visitor.page.get_by_text("40 pictures searchable")).to_be_visible(timeout=60_000)
    expect(visitor.page.get_by_label("Describe a picture")).to_have_value("a cat")


def test_files_may_be_dropped_anywhere_on_the_page(library: Stack, visit: Open, jpeg: Jpeg) -> None:
    visitor = visit(library)
    visitor.page.evaluate(
        """(content) => {
          const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
          window.files = new DataTransfer();
          window.files.items.add(new File([bytes], "anywhere.jpg", {type: "image/jpeg"}));
          window.drag = (kind) => document.elementFromPoint(640, 700).dispatchEvent(
            new DragEvent(kind, {dataTransfer: window.files, bubbles: true, cancelable: true}));
          window.drag("dragover");
        }""",
        base64.b64encode(jpeg()).decode(),
    )
    zone = visitor.page.locator('[class*="st-key-drop-"] section').bounding_box()
    assert zone is not None
    assert zone["width"] > 1200
    assert zone["height"] > 700
    visitor.screenshot("dragging")
    visitor.page.evaluate("for (const kind of ['dragenter', 'dragover', 'drop']) window.drag(kind)")
    expect(visitor.page.get_by_text("1 picture searchable")).to_be_visible(timeout=SLOWEST_MS)
    name = visitor.page.locator(".vf-name").get_by_text("anywhere.jpg")
    expect(name).to_be_visible(timeout=SLOWEST_MS)  # the gallery is drawn after the message
