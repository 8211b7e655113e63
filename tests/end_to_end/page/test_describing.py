"""Descriptions on the page: edited, told by a model, for one picture and for all."""

from __future__ import annotations

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
    Visitor,
    eventually,
)
from tests.vision.model_server import MODEL, ModelServer, serve
from tests.vision.ollama_server import OllamaHandler
from viewfinder.api_descriptions import DescriptionText
from viewfinder.api_models import ImageRecord
from viewfinder.cli.samples import sample_pictures

pytestmark = BROWSER_MARKS

WRITTEN = DescriptionText(
    caption="A tabby named Mortimer watches a hummingbird",
    objects=["cat", "whiskers"],
    colours=["ginger", "green"],
    setting="indoors, by day",
)


def record(stack: Stack, name: str) -> ImageRecord:
    (found,) = [one for one in stack.client.images(limit=200).images if one.file_name == name]
    return found


def open_picture(visitor: Visitor, name: str) -> None:
    visitor.page.get_by_role("button", name=f"Open {name}").click()
    expect(visitor.dialog.get_by_role("button", name="More like this")).to_be_visible()
    visitor.settled()


def is_found_by(stack: Stack, word: str) -> bool:
    return bool(stack.client.search(word, mode="description", top_k=1).results[0].matched)


@pytest.mark.parametrize(("size", "dark"), [(DESKTOP, False), (PHONE, True)])
def test_what_somebody_writes_is_kept_and_found(
    seeing: Stack, visit: Open, size: tuple[int, int], dark: bool
) -> None:
    visitor = visit(seeing, size=size, dark=dark)
    open_picture(visitor, "coffee.png")
    visitor.dialog.get_by_role("button", name="Write it yourself").click()
    visitor.dialog.get_by_label("What it shows").fill(WRITTEN.caption)
    visitor.dialog.get_by_label("Things in it").fill(" cat,whiskers, ")
    visitor.dialog.get_by_label("Colours").fill("ginger, green")
    visitor.dialog.get_by_label("Setting").fill(WRITTEN.setting)
    visitor.screenshot(f"description-edited-{size[0]}")
    visitor.dialog.get_by_role("button", name="Save").click()
    shown = visitor.dialog.locator(".vf-description")
    expect(shown).to_contain_text(WRITTEN.caption)
    expect(shown).to_contain_text("Written by hand")
    assert visitor.width_of_content() <= size[0]
    visitor.screenshot(f"description-written-{size[0]}")
    kept = record(seeing, "coffee.png").description
    assert kept is not None
    assert kept.edited
    assert DescriptionText.model_validate(kept.model_dump(include=set(WRITTEN.model_dump()))) == (
        WRITTEN
    )
    visitor.page.keyboard.press("Escape")
    expect(visitor.dialog).to_be_hidden()
    eventually(lambda: is_found_by(seeing, "Mortimer"))
    visitor.search("a tabby named Mortimer")
    expect(visitor.tiles.first).to_contain_text("coffee.png")
    visitor.page.get_by_role("button", name="Filters").click()
    visitor.page.get_by_role("combobox", name="Search by").click()
    visitor.page.get_by_role("option", name="Descriptions of them only").click()
    expect(visitor.page.get_by_role("button", name="Filters (1)")).to_be_visible()
    visitor.page.keyboard.press("Escape")
    visitor.search("who looks at a hummingbird")  # in other words than the query before
    expect(visitor.tiles.first).to_contain_text("coffee.png")


def test_without_a_caption_nothing_is_saved_and_what_is_removed_is_gone(
    seeing: Stack, visit: Open
) -> None:
    seeing.client.update(record(seeing, "rocket.jpg").id, description=WRITTEN)
    visitor = visit(seeing)
    open_picture(visitor, "rocket.jpg")
    visitor.dialog.get_by_role("button", name="Edit").click()
    visitor.dialog.get_by_label("What it shows").fill("  ")
    visitor.dialog.get_by_role("button", name="Save").click()
    expect(visitor.dialog.get_by_role("alert")).to_contain_text("Say in a sentence")
    visitor.dialog.get_by_role("button", name="Cancel").click()
    expect(visitor.dialog.locator(".vf-description")).to_contain_text(WRITTEN.caption)
    visitor.dialog.get_by_role("button", name="Edit").click()
    visitor.dialog.get_by_role("button", name="Remove").click()
    expect(visitor.dialog.get_by_text("Nobody has described it yet")).to_be_visible()
    assert record(seeing, "rocket.jpg").description is None


def test_a_model_describes_the_picture_that_is_open_and_again_only_when_told(
    seeing: Stack, model: ModelServer, visit: Open
) -> None:
    model.before_first_s = 2.0
    visitor = visit(seeing)
    open_picture(visitor, "moon.png")
    visitor.dialog.get_by_role("button", name="Describe this picture").click()
    expect(visitor.dialog.locator(".vf-working")).to_contain_text(f"{MODEL} looks at it")
    visitor.screenshot("description-under-way")
    shown = visitor.dialog.locator(".vf-description")
    expect(shown).to_contain_text(f"Told by {MODEL}", timeout=SLOWEST_MS)
    told = record(seeing, "moon.png").description
    assert told is not None
    assert told.setting == "512x512"  # what the model saw
    expect(shown).to_contain_text(told.caption)
    visitor.screenshot("description-told")
    seeing.client.update(record(seeing, "moon.png").id, description=WRITTEN)
    visitor.page.keyboard.press("Escape")
    open_picture(visitor, "moon.png")
    visitor.dialog.get_by_role("button", name="Describe again").click()
    visitor.page.get_by_role("button", name="Replace it").click()
    expect(shown).to_contain_text(told.caption, timeout=SLOWEST_MS)


def test_a_model_that_is_away_holds_up_and_is_asked_again_by_itself(
    seeing: Stack, model_port: int, visit: Open
) -> None:
    visitor = visit(seeing)
    open_picture(visitor, "moon.png")
    visitor.dialog.get_by_role("button", name="Describe this picture").click()
    trouble = visitor.dialog.locator(".vf-trouble")
    expect(trouble).to_contain_text("It waits:", timeout=60_000)
    expect(trouble).to_contain_text(MODEL)
    visitor.screenshot("description-held-up")
    with serve(ModelServer("ollama"), OllamaHandler, model_port):
        shown = visitor.dialog.locator(".vf-description")
        expect(shown).to_contain_text(f"Told by {MODEL}", timeout=90_000)


def test_a_model_that_talks_nonsense_is_told_of_and_can_be_asked_once_more(
    seeing: Stack, model: ModelServer, visit: Open
) -> None:
    model.behaviour = "not-json"
    visitor = visit(seeing)
    open_picture(visitor, "moon.png")
    visitor.dialog.get_by_role("button", name="Describe this picture").click()
    trouble = visitor.dialog.locator(".vf-trouble")
    expect(trouble).to_contain_text("It could not be described", timeout=SLOWEST_MS)
    visitor.screenshot("description-failed")
    model.behaviour = "good"
    visitor.dialog.get_by_role("button", name="Describe this picture").click()
    expect(visitor.dialog.locator(".vf-description")).to_be_visible(timeout=SLOWEST_MS)
    expect(trouble).to_be_hidden()


@pytest.mark.parametrize(("size", "dark"), [(DESKTOP, False), (PHONE, True)])
def test_all_are_described_after_an_estimate_and_can_be_stopped(
    seeing: Stack, model: ModelServer, visit: Open, size: tuple[int, int], dark: bool
) -> None:
    model.before_first_s = 1.0
    count = len(sample_pictures())
    name = f"descriptions-{size[0]}"
    visitor = visit(seeing, size=size, dark=dark)
    button = visitor.page.get_by_role("button", name="Descriptions", exact=True)
    button.click()
    expected = seeing.client.describe(all=True, dry_run=True).estimate
    expect(visitor.dialog).to_contain_text(f"{expected.input_tokens:,} in")
    expect(visitor.dialog).to_contain_text(f"Price, about{count * 0.002:.2f}")
    visitor.screenshot(name)
    assert seeing.client.descriptions().waiting == 0
    start = visitor.dialog.get_by_role("button", name=f"Describe {count} pictures and pages")
    start.click()
    expect(visitor.dialog.get_by_text(f"of {count}")).to_be_visible()
    eventually(lambda: seeing.client.descriptions().described > 1)
    visitor.screenshot(f"{name}-under-way")
    visitor.page.keyboard.press("Escape")
    expect(visitor.dialog).to_be_hidden()
    progress = visitor.page.get_by_role("progressbar")
    expect(progress).to_be_visible()
    visitor.search("a cat")  # it does not have to be waited for
    assert visitor.width_of_content() <= size[0]
    visitor.screenshot(f"{name}-beside")
    visitor.page.get_by_role("button", name="Stop").click()
    expect(progress).to_be_hidden()
    now = seeing.client.descriptions()
    assert now.waiting <= 4  # what the model had in its hands
    assert 0 < now.described < count
    model.before_first_s = 0.0
    eventually(lambda: not seeing.client.descriptions().waiting)
    button.click()
    visitor.dialog.get_by_role("button", name="pictures and pages").click()
    eventually(lambda: seeing.client.descriptions().described == count)
    expect(visitor.dialog.get_by_text("All there is is described")).to_be_visible()
    visitor.screenshot(f"{name}-done")


def test_uploads_are_described_where_that_is_chosen(
    seeing: Stack, model: ModelServer, visit: Open, jpeg: Jpeg, tmp_path: Path
) -> None:
    (tmp_path / "told.jpg").write_bytes(jpeg("astronaut"))
    visitor = visit(seeing)
    visitor.page.get_by_role("button", name="Upload options").click()
    visitor.page.get_by_text("Have a vision model describe it").click()
    expect(visitor.page.get_by_role("button", name="Upload options (1)")).to_be_visible()
    visitor.screenshot("upload-options")
    visitor.page.keyboard.press("Escape")
    visitor.drop(tmp_path / "told.jpg")
    expect(visitor.page.get_by_text("1 picture searchable")).to_be_visible(timeout=60_000)
    eventually(lambda: record(seeing, "told.jpg").description is not None)
    assert model.chats
    others = [one for one in seeing.client.images(limit=200).images if one.description is not None]
    assert [one.file_name for one in others] == ["told.jpg"]
