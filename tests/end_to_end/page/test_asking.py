"""Asking the pictures on the page; the model is a stand-in that speaks Ollama's protocol."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.end_to_end.conftest import Stack
from tests.end_to_end.page.visitor import (
    BROWSER_MARKS,
    DESKTOP,
    PHONE,
    SLOWEST_MS,
    Open,
    Visitor,
)
from tests.vision.model_server import MODEL, ModelServer, serve
from tests.vision.ollama_server import OllamaHandler

pytestmark = BROWSER_MARKS

EVIL = (
    "A <b>cat</b> ",
    "and **stars** ",
    "[here](http://127.0.0.1/evil) ",
    "<img src=x onerror=document.title='hacked'>",
)


def ask(visitor: Visitor, question: str) -> None:
    field = visitor.dialog.get_by_test_id("stChatInputTextArea")
    field.fill(question)
    field.press("Enter")


def open_questions(visitor: Visitor) -> None:
    visitor.page.get_by_role("button", name="Ask", exact=True).click()
    expect(visitor.dialog.get_by_test_id("stChatInputTextArea")).to_be_visible()
    visitor.settled()


def answered(visitor: Visitor, count: int = 1) -> None:
    expect(visitor.dialog.locator('.vf-answer[aria-busy="false"]')).to_have_count(count)
    visitor.settled()


def shown_to(model: ModelServer) -> list[list[str]]:
    """What was said in each chat: the questions and answers, without what comes with them."""
    return [[str(one["content"]) for one in chat.body["messages"]] for chat in model.chats]


@pytest.mark.parametrize(("size", "dark"), [(DESKTOP, False), (PHONE, False), (DESKTOP, True)])
def test_an_answer_appears_as_it_is_written_and_is_text_whatever_it_says(
    seeing: Stack, model: ModelServer, visit: Open, size: tuple[int, int], dark: bool
) -> None:
    model.says, model.pause_s = EVIL, 1.0
    visitor = visit(seeing, size=size, dark=dark)
    open_questions(visitor)
    ask(visitor, "a cat")
    writing = visitor.dialog.locator('.vf-answer[aria-busy="true"]')
    expect(writing).to_contain_text("A <b>cat</b>")
    assert "onerror" not in writing.inner_text()
    answered(visitor)
    answer = visitor.dialog.locator(".vf-answer")
    assert answer.inner_text() == "".join(EVIL)
    assert answer.locator("*").count() == 0
    assert visitor.page.title() == "Viewfinder"
    expect(visitor.dialog.locator(".vf-question")).to_have_text("a cat")
    expect(visitor.dialog.locator(".vf-source")).to_contain_text("[1] chelsea.png")
    assert visitor.width_of_content() <= size[0]
    visitor.screenshot(f"ask-{size[0]}{'-dark' if dark else ''}")


def test_a_source_opens_and_closing_it_leads_back_to_the_conversation(
    seeing: Stack, model: ModelServer, visit: Open
) -> None:
    visitor = visit(seeing)
    open_questions(visitor)
    ask(visitor, "a cat")
    answered(visitor)
    visitor.dialog.get_by_role("button", name="Open chelsea.png").click()
    expect(visitor.dialog.get_by_text("451 x 300 pixels")).to_be_visible()
    visitor.dialog.get_by_role("button", name="Close").click()
    expect(visitor.dialog.locator(".vf-question")).to_have_text("a cat")
    expect(visitor.dialog.locator(".vf-answer")).to_contain_text("I see 1 pictures")
    visitor.dialog.get_by_role("button", name="Open chelsea.png").click()
    visitor.dialog.get_by_role("button", name="More like this").click()
    expect(visitor.page.get_by_text("Pictures like chelsea.png")).to_be_visible()
    expect(visitor.dialog).to_be_hidden()


def test_a_second_question_goes_on_with_the_conversation(
    seeing: Stack, model: ModelServer, visit: Open
) -> None:
    visitor = visit(seeing)
    open_questions(visitor)
    model.says = ("A cat.",)
    ask(visitor, "a cat")
    answered(visitor)
    model.says = ("Green.",)
    ask(visitor, "And its eyes?")
    answered(visitor, 2)
    assert visitor.dialog.locator(".vf-answer").all_inner_texts() == ["A cat.", "Green."]
    first, second = model.chats
    assert first.seen == second.seen
    said = shown_to(model)[1]
    assert any("a cat" in one for one in said)
    assert "A cat." in said
    assert "And its eyes?" in said[-1]
    visitor.screenshot("ask-follow-up")


def test_what_is_not_there_is_said_and_no_model_is_asked(
    seeing: Stack, model: ModelServer, visit: Open
) -> None:
    visitor = visit(seeing)
    open_questions(visitor)
    ask(visitor, "the balance sheet of a bakery for 1987")
    answered(visitor)
    expect(visitor.dialog.locator(".vf-answer")).to_contain_text("None of your pictures")
    expect(visitor.dialog.locator(".vf-source")).to_have_count(0)
    assert model.chats == []
    visitor.screenshot("ask-nothing")


def test_a_dead_model_is_said_and_searching_goes_on(
    seeing: Stack, model_port: int, visit: Open
) -> None:
    visitor = visit(seeing)
    open_questions(visitor)
    ask(visitor, "a cat")
    alert = visitor.dialog.get_by_role("alert").filter(has_text="The vision model is away:")
    expect(alert).to_contain_text(MODEL, timeout=60_000)
    visitor.screenshot("ask-dead")
    visitor.page.keyboard.press("Escape")
    expect(visitor.dialog).to_be_hidden()
    visitor.search("a cat")
    expect(visitor.tiles.first).to_contain_text("chelsea.png")
    with serve(ModelServer("ollama"), OllamaHandler, model_port):
        open_questions(visitor)
        ask(visitor, "Is it asleep?")
        answer = visitor.dialog.locator(".vf-answer").last
        expect(answer).to_contain_text("I see 1 pictures", timeout=SLOWEST_MS)


def test_without_a_model_the_page_says_how_to_switch_one_on(library: Stack, visit: Open) -> None:
    visitor = visit(library)
    for button in ("Ask", "Descriptions"):
        visitor.page.get_by_role("button", name=button, exact=True).click()
        expect(visitor.dialog.get_by_text("No vision model is set up yet")).to_be_visible()
        expect(visitor.dialog.get_by_text("LLM_ENABLED=true").first).to_be_visible()
        visitor.settled()
        visitor.screenshot(f"{button.lower()}-off")
        visitor.page.keyboard.press("Escape")
        expect(visitor.dialog).to_be_hidden()
    visitor.page.get_by_role("button", name="Open chelsea.png").click()
    visitor.dialog.get_by_role("button", name="Describe this picture").click()
    expect(visitor.page.get_by_text("LLM_ENABLED=true").first).to_be_visible()
    visitor.screenshot("dialog-off")
    visitor.page.keyboard.press("Escape")
    expect(visitor.dialog.get_by_role("button", name="Write it yourself")).to_be_enabled()
