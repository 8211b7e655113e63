"""Asking about pictures: a dialog with the conversation, answered by a vision model."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, cast

import streamlit as st

from frontend import ask_markup
from frontend.filters import Wanted
from frontend.session import (
    View,
    as_text,
    browser_url,
    client,
    close_picture,
    friendly_errors,
    opened_picture,
)
from viewfinder.api_answers import (
    MAX_MESSAGE_CHARS,
    MAX_MESSAGES,
    MAX_QUESTION_CHARS,
    MAX_SHOWN,
    AnswerResponse,
    AnswerSource,
    AnswerSources,
    AnswerToken,
    VisionStatus,
)
from viewfinder.client_questions import Message, QuestionOptions

_OPEN = "asking"
_TALK = "conversation"
_SHOWN_AGAIN_S = 0.05
"""Faster than anybody reads; each time costs the browser a little."""
_STATUS_S = 30.0


@dataclass
class _Exchange:
    """A question and what came of it."""

    question: str
    answer: str = ""
    sources: list[AnswerSource] = field(default_factory=list)
    cited: list[str] = field(default_factory=list)
    note: str = ""


def ask(looking_at: View, wanted: Wanted) -> None:
    """The button, and the dialog while it is open.

    `looking_at` and `wanted`: what is found on the page now, to ask about.
    """
    st.button("Ask", icon=":material/forum:", key="ask", on_click=_open, help="Ask your pictures")
    if opened_picture():
        _close()
    if st.session_state.get(_OPEN):
        st.dialog("Ask your pictures", width="large", on_dismiss=_close)(_dialog)(
            looking_at, wanted
        )


def _open() -> None:
    close_picture()
    st.session_state[_OPEN] = True


def _close() -> None:
    st.session_state.pop(_OPEN, None)


def _talk() -> list[_Exchange]:
    return cast("list[_Exchange]", st.session_state.setdefault(_TALK, []))


@st.cache_data(ttl=_STATUS_S, show_spinner=False)
def _status() -> dict[str, Any]:
    return client().vision_status().model_dump()


def _dialog(looking_at: View, wanted: Wanted) -> None:
    st.html(ask_markup.STYLE)
    with friendly_errors():
        status = VisionStatus.model_validate(_status())
        if not status.enabled:
            _how_to_set_up(status)
            return
        if not status.ready:
            st.warning(as_text(status.detail), icon=":material/cloud_off:")
        _conversation(looking_at, wanted)


def _how_to_set_up(status: VisionStatus) -> None:
    st.info("**No vision model is set up yet.** Searching works without one.")
    st.markdown("With [Ollama](https://ollama.com) on this machine, for example:")
    st.code(
        "ollama pull qwen2.5vl:7b\n"
        "export LLM_ENABLED=true LLM_MODEL=qwen2.5vl:7b\n"
        "viewfinder down; viewfinder up --detach",
        language="sh",
    )
    st.caption(as_text(status.detail))


def _conversation(looking_at: View, wanted: Wanted) -> None:
    talk = _talk()
    said = st.container(key="ask-conversation")
    with said:
        for exchange in talk:
            _show(exchange)
    options = _options(looking_at, wanted, talk)
    question = st.chat_input(
        "Ask on about these pictures" if talk else "What do you want to know?",
        key="ask-question",
        max_chars=MAX_QUESTION_CHARS,
    )
    if question and question.strip():
        with said:
            _answer(question.strip(), options, talk)


def _options(looking_at: View, wanted: Wanted, talk: list[_Exchange]) -> QuestionOptions:
    options: QuestionOptions = {"filters": wanted.filters, "mode": wanted.mode}
    with st.container(horizontal=True, vertical_alignment="center", key="ask-options"):
        used = next((one.sources for one in reversed(talk) if one.sources), [])
        if used:
            on = st.toggle("Stay with these pictures", value=True, key="ask-stay")
            options["image_ids"] = [source.id for source in used]
            options["search"] = not on
        elif looking_at.kind == "text":
            about = st.toggle(
                f"About what “{as_text(looking_at.query)}” finds", value=True, key="ask-found"
            )
            if about:
                options["query"] = looking_at.query
        count = st.segmented_control(
            "Pictures to look at",
            options=[1, 3, MAX_SHOWN],
            default=1,
            required=True,
            key="ask-count",
            format_func=lambda number: f"{number} picture" if number == 1 else f"{number} pictures",
            label_visibility="collapsed",
        )
        options["top_k"] = int(count or 1)
        if talk:
            st.button("Start anew", on_click=_forget, icon=":material/restart_alt:", key="ask-anew")
    messages: list[Message] = []
    for exchange in talk:
        if exchange.answer:
            messages.append({"role": "user", "content": exchange.question})
            messages.append({"role": "assistant", "content": exchange.answer[:MAX_MESSAGE_CHARS]})
    if messages:
        options["messages"] = messages[-MAX_MESSAGES:]
    return options


def _forget() -> None:
    st.session_state[_TALK] = []


def _answer(question: str, options: QuestionOptions, talk: list[_Exchange]) -> None:
    exchange = _Exchange(question)
    st.html(ask_markup.question(question))
    pictures, text = st.empty(), st.empty()
    text.html(ask_markup.answer("", is_whole=False))
    try:
        with friendly_errors():
            for _ in _shown_at_times(_listen(exchange, question, options)):
                if exchange.sources:
                    pictures.html(_sources(exchange))
                text.html(ask_markup.answer(exchange.answer, is_whole=False))
    finally:
        # Also when the dialog is closed in the middle: what was said stays.
        if exchange.answer:
            talk.append(exchange)
    text.html(ask_markup.answer(exchange.answer))
    if exchange.sources:
        pictures.html(_sources(exchange))
    if exchange.answer:
        st.rerun(scope="fragment")


def _listen(exchange: _Exchange, question: str, options: QuestionOptions) -> Iterator[None]:
    """Fills the exchange, and returns after every event."""
    with closing(client().ask_stream(question, **options)) as events:
        for event in events:
            if isinstance(event, AnswerSources):
                exchange.sources = event.sources
                exchange.note = f"{event.model} looks at this"
            elif isinstance(event, AnswerToken):
                exchange.answer += event.text
            elif isinstance(event, AnswerResponse):
                exchange.answer, exchange.sources = event.answer, event.sources
                exchange.cited = event.cited
                exchange.note = f"{event.model} · {event.timings.total_ms / 1000:.1f} s"
            yield


def _shown_at_times(changes: Iterator[None]) -> Iterator[None]:
    shown_at = 0.0
    for _ in changes:
        now = time.monotonic()
        if now - shown_at >= _SHOWN_AGAIN_S:
            shown_at = now
            yield


def _show(exchange: _Exchange) -> None:
    st.html(ask_markup.question(exchange.question))
    if exchange.sources:
        st.html(_sources(exchange))
    st.html(ask_markup.answer(exchange.answer))


def _sources(exchange: _Exchange) -> str:
    return ask_markup.sources(
        [
            ask_markup.source(
                number=source.number,
                name=source.file_name,
                page=source.page,
                relevance=source.relevance,
                thumbnail_url=browser_url(source.thumbnail_url),
                url=browser_url(source.url),
                is_cited=source.id in exchange.cited and len(exchange.sources) > 1,
            )
            for source in exchange.sources
        ],
        exchange.note,
    )
