"""Asking about pictures: a dialog with the conversation, answered by a vision model."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
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
    close_dialog,
    draw_again,
    open_dialog,
    open_picture,
    opened_dialog,
    show_error,
)
from frontend.vision_setup import has_vision_model, how_to_switch_on
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
from viewfinder.errors import ViewfinderError

_DIALOG = "ask"
_TALK = "conversation"
_ABOUT = "ask-about"
"""The picture that was asked about from its own dialog: its id and name."""
_SHOWN_AGAIN_S = 0.05
"""Faster than anybody reads; each time costs the browser a little."""
_STATUS_S = 30.0
_NOTHING = (
    "None of your pictures seems to be about this, so no model was asked. Try other words, or"
    " search first, and ask about what is found."
)


@dataclass
class _Exchange:
    """A question and what came of it."""

    question: str
    answer: str = ""
    sources: list[AnswerSource] = field(default_factory=list)
    cited: list[str] = field(default_factory=list)
    note: str = ""
    found: bool = True
    error: ViewfinderError | None = None


def ask(looking_at: View, wanted: Wanted) -> None:
    """The button, and the dialog while it is open.

    `looking_at` and `wanted`: what is found on the page now, to ask about.
    """
    st.button(
        "Ask",
        icon=":material/forum:",
        key="ask",
        on_click=_open,
        help="Ask your pictures",
    )
    if opened_dialog() == _DIALOG:
        st.dialog("Ask your pictures", width="large", on_dismiss=close_dialog)(_dialog)(
            looking_at, wanted
        )


def _open() -> None:
    open_dialog(_DIALOG)
    if not _talk():
        st.session_state.pop(_ABOUT, None)


def ask_about(image_id: str, name: str) -> None:
    """Open the dialog on this picture or page, with a new conversation."""
    open_dialog(_DIALOG)
    st.session_state[_TALK] = []
    st.session_state[_ABOUT] = (image_id, name)


def _talk() -> list[_Exchange]:
    return cast("list[_Exchange]", st.session_state.setdefault(_TALK, []))


@st.cache_data(ttl=_STATUS_S, show_spinner=False)
def _status() -> dict[str, Any]:
    return client().vision_status().model_dump()


def _dialog(looking_at: View, wanted: Wanted) -> None:
    st.html(ask_markup.STYLE)
    try:
        if not has_vision_model():
            how_to_switch_on("Asking", client().vision_status().detail)
            return
        warning = st.empty()
        _conversation(looking_at, wanted)
        status = VisionStatus.model_validate(_status())  # last: a model that hangs takes seconds
    except ViewfinderError as error:
        show_error(error)
        return
    if not status.ready:
        warning.warning(as_text(status.detail), icon=":material/cloud_off:")


def _conversation(looking_at: View, wanted: Wanted) -> None:
    talk = _talk()
    said = st.container(key="ask-conversation")
    with said:
        before: list[AnswerSource] = []
        for number, exchange in enumerate(talk):
            _show(number, exchange, before)
            before = exchange.sources
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
        about = st.session_state.get(_ABOUT)
        stays = False
        if used:
            stays = st.toggle("Stay with these pictures", value=True, key="ask-stay")
            options["image_ids"] = [source.id for source in used]
            options["search"] = not stays
        elif about is not None:
            stays = st.toggle(f"About {as_text(about[1])}", value=True, key="ask-this")
            if stays:
                options["image_ids"] = [about[0]]
        elif looking_at.kind == "text":
            is_about_found = st.toggle(
                f"About what “{as_text(looking_at.query)}” finds", value=True, key="ask-found"
            )
            if is_about_found:
                options["query"] = looking_at.query
        if not stays:
            options["top_k"] = _how_many()
        if talk:
            st.button("Start anew", on_click=_forget, icon=":material/restart_alt:", key="ask-anew")
    messages: list[Message] = []
    for exchange in talk:
        if exchange.answer and exchange.found and exchange.error is None:
            messages.append({"role": "user", "content": exchange.question})
            messages.append({"role": "assistant", "content": exchange.answer[:MAX_MESSAGE_CHARS]})
    if messages:
        options["messages"] = messages[-MAX_MESSAGES:]
    return options


def _how_many() -> int:
    count = st.segmented_control(
        "Pictures to look at",
        options=[1, 3, MAX_SHOWN],
        default=1,
        required=True,
        key="ask-count",
        format_func=lambda number: f"{number} picture" if number == 1 else f"{number} pictures",
        label_visibility="collapsed",
    )
    return int(count or 1)


def _forget() -> None:
    st.session_state[_TALK] = []
    st.session_state.pop(_ABOUT, None)


def _answer(question: str, options: QuestionOptions, talk: list[_Exchange]) -> None:
    exchange = _Exchange(question)
    before = talk[-1].sources if talk else []
    st.html(ask_markup.question(question))
    pictures, text = st.empty(), st.empty()
    text.html(ask_markup.answer("", is_whole=False))
    try:
        for _ in _shown_at_times(_listen(exchange, question, options)):
            if exchange.sources and not _are_same(exchange.sources, before):
                looked_at = [_source(one, exchange) for one in exchange.sources]
                pictures.html(ask_markup.sources(looked_at) + ask_markup.note(exchange.note))
            text.html(ask_markup.answer(exchange.answer, is_whole=False))
    except ViewfinderError as error:
        exchange.error = error
    finally:
        talk.append(exchange)  # also when the dialog is closed in the middle
        _status.clear()
    draw_again()


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
                exchange.found = event.found
                if not event.found:
                    exchange.answer = _NOTHING
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


def _show(number: int, exchange: _Exchange, before: Sequence[AnswerSource]) -> None:
    """Pictures that stand above are not shown again."""
    st.html(ask_markup.question(exchange.question))
    if exchange.sources and not _are_same(exchange.sources, before):
        _sources(number, exchange)
    if exchange.answer:
        st.html(ask_markup.answer(exchange.answer))
    if exchange.error is not None:
        show_error(exchange.error)


def _are_same(some: Sequence[AnswerSource], others: Sequence[AnswerSource]) -> bool:
    return [one.id for one in some] == [one.id for one in others]


def _sources(number: int, exchange: _Exchange) -> None:
    """To be opened; what is opened lies over the conversation, which is there again after it."""
    with st.container(gap=None):
        with st.container(key=f"sources-{number}"):
            for source in exchange.sources:
                with st.container(key=f"source-{number}-{source.number}"):
                    st.html(_source(source, exchange))
                    if st.button(
                        f"Open {as_text(_name(source))}",
                        key=f"open-source-{number}-{source.number}",
                        on_click=open_picture,
                        args=(source.id,),
                    ):
                        st.rerun()
        st.html(ask_markup.note(exchange.note))


def _name(source: AnswerSource) -> str:
    return f"{source.file_name}, page {source.page}" if source.page else source.file_name


def _source(source: AnswerSource, exchange: _Exchange) -> str:
    return ask_markup.source(
        number=source.number,
        shown=_name(source),
        relevance=source.relevance,
        thumbnail_url=browser_url(source.thumbnail_url),
        is_cited=source.id in exchange.cited and len(exchange.sources) > 1,
    )
