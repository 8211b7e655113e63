"""Searching on the page."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect

from tests.end_to_end.conftest import Stack
from tests.end_to_end.page.visitor import BROWSER_MARKS, Jpeg, Open, add, eventually

pytestmark = BROWSER_MARKS


def test_a_cat_is_found_by_describing_it(library: Stack, visit: Open) -> None:
    visitor = visit(library)
    visitor.search("a cat")
    first = visitor.tiles.first
    expect(first).to_contain_text("chelsea.png")
    assert re.fullmatch(r"(> )?\d\d %", _spaced(first.locator(".vf-score").inner_text()))
    visitor.screenshot("results")


def test_a_cut_at_a_relevance_leaves_what_fits(library: Stack, visit: Open) -> None:
    visitor = visit(library)
    visitor.search("a cat")
    shown = visitor.tiles.count()
    visitor.page.get_by_role("button", name="Filters").click()
    slider = visitor.page.get_by_role("slider", name="Least relevance")
    slider.focus()
    for _ in range(5):
        slider.press("ArrowRight")
    visitor.screenshot("least relevance")
    visitor.page.wait_for_function(
        "shown => document.querySelectorAll('.vf-card').length < shown", arg=shown
    )
    expect(visitor.tiles.first).to_contain_text("chelsea.png")
    relevances = [_spaced(text) for text in visitor.page.locator(".vf-score").all_inner_texts()]
    assert relevances
    assert all(int(re.sub(r"\D", "", text)) >= 25 for text in relevances)


def test_thumbnails_come_by_address_and_are_never_in_the_page(library: Stack, visit: Open) -> None:
    visitor = visit(library)
    visitor.search("a cat")
    picture = visitor.tiles.first.locator("img")
    expect(picture).to_have_attribute("src", re.compile(f"^{re.escape(library.api_url)}/images/"))
    expect(picture).to_have_attribute("alt", "chelsea.png")
    visitor.page.wait_for_function("document.querySelector('.vf-card img').naturalWidth > 0")
    assert "data:image" not in visitor.page.locator("body").inner_html()


def test_a_link_with_a_query_opens_on_its_results(library: Stack, visit: Open) -> None:
    visitor = visit(library, "?q=a+motorcycle")
    expect(visitor.page.get_by_label("Describe a picture")).to_have_value("a motorcycle")
    expect(visitor.tiles.first).to_contain_text("motorcycle")


def test_a_picture_leads_to_others_like_it_and_back(
    library: Stack, visit: Open, jpeg: Jpeg
) -> None:
    add(library, jpeg("coffee"), "another-coffee.jpg")
    visitor = visit(library)
    visitor.search("a cup of coffee")
    opened = visitor.names[0]
    visitor.page.get_by_role("button", name=f"Open {opened}").hover()
    visitor.page.get_by_role("button", name=f"More like {opened}").click()
    expect(visitor.page.get_by_text(f"Pictures like {opened}")).to_be_visible()
    visitor.settled()
    assert "coffee" in visitor.names[0]
    assert opened not in visitor.names
    visitor.screenshot("more-like-this")
    visitor.page.get_by_role("button", name="Back").click()
    expect(visitor.page.get_by_label("Describe a picture")).to_have_value("a cup of coffee")
    expect(visitor.tiles.first).to_contain_text(opened)


def test_a_picture_of_ones_own_is_a_query_too(
    library: Stack, visit: Open, jpeg: Jpeg, tmp_path: Path
) -> None:
    (tmp_path / "mine.jpg").write_bytes(jpeg("rocket"))
    before = library.client.images(limit=1).total
    visitor = visit(library)
    visitor.page.get_by_role("button", name="Search by picture").click()
    popover = visitor.page.get_by_test_id("stPopoverBody")
    popover.locator("input[type=file]").set_input_files(str(tmp_path / "mine.jpg"))
    expect(visitor.page.get_by_text("Pictures like mine.jpg")).to_be_visible()
    expect(visitor.tiles.first).to_contain_text("rocket.jpg")
    expect(popover).to_be_hidden()
    assert library.client.images(limit=1).total == before


def test_tags_given_in_the_dialog_filter_the_search(
    library: Stack, visit: Open, jpeg: Jpeg
) -> None:
    image_id = add(library, jpeg("astronaut"), "tagged.jpg", ["space"])
    visitor = visit(library)
    visitor.page.get_by_role("button", name="Open tagged.jpg").click()
    tags = visitor.dialog.get_by_role("combobox", name="Tags")
    tags.fill("portrait")
    tags.press("Enter")
    eventually(lambda: library.client.image(image_id).tags == ["space", "portrait"])
    visitor.page.keyboard.press("Escape")  # the list
    visitor.page.keyboard.press("Escape")  # the dialog
    expect(visitor.dialog).to_be_hidden()
    visitor.page.get_by_role("button", name="Filters").click()
    wanted = visitor.page.get_by_test_id("stPopoverBody").get_by_role("combobox", name="Tags")
    wanted.fill("portrait")
    wanted.press("Enter")
    visitor.page.keyboard.press("Escape")  # the list
    expect(visitor.page.get_by_role("button", name="Filters (1)")).to_be_visible()
    visitor.screenshot("filters")
    visitor.page.keyboard.press("Escape")
    visitor.search("a woman")
    eventually(lambda: visitor.names == ["tagged.jpg"])


def _spaced(text: str) -> str:
    """With spaces that a keyboard has."""
    return text.replace("\u202f", " ")
