"""A visitor's way through the page in a real browser, against a whole running Viewfinder.

The screens are kept in artifacts/screenshots/. `search.png` among them is the one that README.md
shows: after a change of the page, look at it and copy it to docs/images/.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect
from reportlab.pdfgen.canvas import Canvas

from tests.end_to_end.browser import (
    DESKTOP,
    PHONE,
    SLOWEST_MS,
    Visitor,
    chromium,
    eventually,
    page_without_gateway,
)
from tests.end_to_end.conftest import Stack, start_stack, stop_stack
from viewfinder.cli.samples import sample_pictures
from viewfinder.client import FileToUpload

pytestmark = [
    pytest.mark.stack,
    pytest.mark.browser,
    pytest.mark.slow,  # starts all services and a browser once
]

Open = Callable[..., Visitor]
Jpeg = Callable[..., bytes]

README_QUERY = "a cup of coffee"
README_LIMIT_BYTES = 300_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    yield from chromium()


@pytest.fixture(scope="module")
def own_stack(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Of these tests alone: they empty the library and count what is in it."""
    started = start_stack(tmp_path_factory.mktemp("browser"))
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
    client = own_stack.client
    samples = {path.name: path for path in sample_pictures()}
    for image in client.images(limit=200).images:
        if samples.pop(image.file_name, None) is None:
            client.delete(image.id)
    missing = list(samples.values())
    for start in range(0, len(missing), 8):
        accepted = client.upload(missing[start : start + 8])
        *_, job = client.watch_job(accepted.job_id)
        assert job.indexed == job.total
    return own_stack


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


def add(stack: Stack, content: bytes, name: str, tags: list[str] | None = None) -> str:
    """One searchable picture more; its id."""
    accepted = stack.client.upload([FileToUpload(content, file_name=name)], tags=tags or [])
    *_, job = stack.client.watch_job(accepted.job_id)
    assert job.indexed == 1
    return accepted.images[0].id


# --- adding pictures ---


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


# --- searching ---


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


# --- one picture ---


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


# --- when it is not well ---


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


def _spaced(text: str) -> str:
    """With spaces that a keyboard has."""
    return text.replace("\u202f", " ")


# --- documents ---


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
