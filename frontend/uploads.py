"""Adding pictures and documents: many files dropped, with progress until all are searchable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import streamlit as st

from frontend import markup
from frontend.describing import watch_descriptions
from frontend.sending import DroppedFile, LockedFile, Sending
from frontend.session import as_text, client, forget_answer, settings
from frontend.vision_setup import has_vision_model
from viewfinder.errors import ViewfinderError

_LOOK_EVERY_S = 0.4
_SHOWN_REASONS = 12


def drop_zone(kind: Literal["slim", "large"]) -> None:
    """Where files are dropped; they are sent as soon as they are.

    No list of allowed suffixes: the gateway looks at the content and names what it refuses.
    """
    if kind == "large":
        with st.container(key="drop-large"):
            _uploader()
        st.html(markup.formats(settings().max_upload_mb))
        return
    with st.container(key="drop-slim"):
        _uploader()
    _options()


def _uploader() -> None:
    number = int(st.session_state.setdefault("drop", 0))
    key = f"files-{number}"  # under a new key it is empty again
    st.file_uploader(
        "Drop pictures and PDFs here",
        accept_multiple_files=True,
        key=key,
        on_change=_send_dropped,
        args=(key,),
        label_visibility="collapsed",
    )


def _options() -> None:
    tags = st.session_state.get("upload-tags", [])
    active = len(tags) + bool(st.session_state.get("upload-describe"))
    label = f"Upload options ({active})" if active else "Upload options"
    with st.popover(label, icon=":material/sell:", key="upload-options"):
        st.multiselect(
            "Tags for what you add from now on",
            options=[],
            accept_new_options=True,
            placeholder="Type one and press Enter",
            key="upload-tags",
        )
        has_model = _has_vision_model()
        st.toggle(
            "Have a vision model describe it",
            key="upload-describe",
            disabled=not has_model,
            help=None if has_model else "None is set up yet: see Descriptions.",
        )


def _has_vision_model() -> bool:
    try:
        return has_vision_model()
    except ViewfinderError:
        return False  # what is wrong with the gateway is said where the pictures would be


def _send_dropped(key: str) -> None:
    files: list[DroppedFile] = st.session_state[key]
    if files:
        st.session_state["drop"] += 1
        describe = bool(st.session_state.get("upload-describe")) and _has_vision_model()
        tags = st.session_state.get("upload-tags", [])
        sending = Sending(client(), files, tags, describe=describe)
        if describe:
            watch_descriptions()
        # Of what was dropped before, only what is not done with is still of interest.
        unfinished = [one for one in _sendings() if one.runs or one.error or one.locked]
        st.session_state["sendings"] = [*unfinished, sending]
        sending.start()


def _sendings() -> list[Sending]:
    found: list[Sending] = st.session_state.get("sendings", [])
    return found


def is_sending() -> bool:
    """Whether pictures are on their way."""
    return any(sending.runs for sending in _sendings())


def uploads(*, live: bool) -> None:
    """The uploads of this session; `live`: the gallery below follows them."""
    running = [sending for sending in _sendings() if sending.runs]
    for number, sending in enumerate(_sendings()):
        if sending not in running:
            _outcome(number, sending)
    if running:
        _progress(running, sum(sending.accepted for sending in running), live)


@st.fragment(run_every=_LOOK_EVERY_S)
def _progress(running: Sequence[Sending], accepted: int, live: bool) -> None:
    for sending in running:
        st.progress(sending.share, text=sending.summary)
    has_ended = not all(sending.runs for sending in running)
    if has_ended or (live and accepted != sum(sending.accepted for sending in running)):
        forget_answer()
        st.rerun()


def _outcome(number: int, sending: Sending) -> None:
    for place, locked in enumerate(sending.locked):
        _ask_for_password(f"{number}-{place}", sending, locked)
    if not (sending.searchable or sending.not_added or sending.error):
        return
    with st.container(horizontal=True, key=f"outcome-{number}"):
        with st.container():
            _what_became_of(sending)
        st.button(
            "Dismiss", key=f"dismiss-{number}", type="tertiary", on_click=_dismiss, args=(sending,)
        )
        if sending.error is not None:
            st.button("Try again", key=f"send-again-{number}", on_click=sending.start)


def _dismiss(sending: Sending) -> None:
    st.session_state["sendings"] = [one for one in _sendings() if one is not sending]


def _what_became_of(sending: Sending) -> None:
    if sending.searchable:
        files = "of the files" if sending.documents else "of them"
        already = f", {sending.known} {files} here already" if sending.known else ""
        st.success(
            f"{sending.counted(sending.searchable)} searchable{already}",
            icon=":material/check_circle:",
        )
    if lines := sending.not_added:
        shown = lines[:_SHOWN_REASONS]
        if more := len(lines) - len(shown):
            shown.append(f"and {more:,} more")
        st.warning(
            f"{_not_added(sending)} could not be added\n\n"
            + "\n".join(f"- {as_text(line)}" for line in shown),
            icon=":material/warning:",
        )
    if sending.error is not None:
        what = (
            f"{markup.files(sending.unsent)} not sent"
            if sending.unsent
            else "progress is not known"
        )
        st.error(
            f"**{sending.error.title}, {what}.** {as_text(sending.error.message)}",
            icon=":material/error:",
        )


def _not_added(sending: Sending) -> str:
    if sending.documents and not sending.refused:
        return sending.counted(len(sending.not_added))
    return markup.files(len(sending.not_added))


def _ask_for_password(key: str, sending: Sending, locked: LockedFile) -> None:
    name = as_text(locked.file.name)
    with st.container(key=f"locked-{key}"), st.form(f"unlock-{key}", clear_on_submit=True):
        st.markdown(
            f":material/lock: That is not the password of **{name}**."
            if locked.was_wrong
            else f":material/lock: **{name}** needs its password."
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.text_input(
                "Password",
                type="password",
                autocomplete="off",
                placeholder="Password of this PDF",
                label_visibility="collapsed",
                key=f"password-{key}",
            )
            st.form_submit_button(
                "Open", type="primary", on_click=_unlock, args=(key, sending, locked)
            )
            st.form_submit_button("Leave it out", on_click=_leave_out, args=(sending, locked))


def _unlock(key: str, sending: Sending, locked: LockedFile) -> None:
    password = str(st.session_state.get(f"password-{key}", ""))
    if password and not sending.runs:
        sending.unlock(locked, password)


def _leave_out(sending: Sending, locked: LockedFile) -> None:
    sending.locked = [one for one in sending.locked if one is not locked]
