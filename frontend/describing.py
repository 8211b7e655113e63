"""Having a vision model describe all pictures: what it would cost, how far it is, stopping it."""

from __future__ import annotations

import streamlit as st

from frontend import markup
from frontend.session import (
    as_text,
    client,
    close_dialog,
    forget_answer,
    open_dialog,
    opened_dialog,
    show_error,
)
from frontend.vision_setup import how_to_switch_on
from viewfinder.api_descriptions import DescriptionProgress, DescriptionsAsked
from viewfinder.client_descriptions import DescribeOptions
from viewfinder.errors import ViewfinderError

_DIALOG = "descriptions"
_WATCHED = "described-before"
"""How many have waited at most, while this session watches."""
_ERROR = "describing-error"
_LOOK_EVERY_S = 1.0
_SHOWN_REASONS = 12
_PARTS = (100, 1000, 10_000)


def descriptions() -> None:
    """The button, and the dialog while it is open."""
    st.button(
        "Descriptions",
        icon=":material/auto_awesome:",
        key="descriptions",
        on_click=open_dialog,
        args=(_DIALOG,),
        help="Have a vision model describe your pictures",
    )
    if opened_dialog() == _DIALOG:
        st.dialog("Descriptions", width="medium", on_dismiss=close_dialog)(_dialog)()


def watch_descriptions() -> None:
    """Show from now on how far they are."""
    st.session_state.setdefault(_WATCHED, 0)


def description_progress(*, more_to_come: bool) -> None:
    """How far they are, while this session watches; `more_to_come`: none waiting is no end yet."""
    if _WATCHED in st.session_state and opened_dialog() != _DIALOG:
        with st.container(horizontal=True, vertical_alignment="center", key="describing"):
            _progress(more_to_come)
            _stop_button()


def _dialog() -> None:
    try:
        now = client().descriptions()
        if not now.enabled:
            how_to_switch_on("Describing pictures")
            st.caption("What a picture shows can also be written by hand, in its own dialog.")
            return
        st.markdown(
            "A vision model looks at each picture and page once, in the background, and writes down"
            " what it shows. Searches then find them by these words."
        )
        if now.waiting:
            watch_descriptions()
            _progress(False)
            st.caption("It goes on when this is closed.")
            _stop_button()
        else:
            with st.container(key="offer"):
                _offer(now)
        _failures(now)
    except ViewfinderError as error:
        show_error(error)


def _offer(now: DescriptionProgress) -> None:
    """What would be done, and what it takes."""
    error = st.session_state.pop(_ERROR, None)
    if error is not None:
        show_error(error)
    wanted: DescribeOptions = {"all": True}
    others = st.empty()
    if now.described > now.edited and others.toggle(
        "Again what another model described", key="describe-others"
    ):
        wanted["other_model"] = True
    with st.spinner("Counting …", show_time=True):
        counted = _count(wanted)
    total = counted.asked
    parts = [count for count in _PARTS if count < total]
    if parts:
        limit = st.segmented_control(
            "How many",
            options=[*parts, 0],
            default=0,
            required=True,
            format_func=lambda count: f"the newest {count:,}" if count else "all",
            key="describe-limit",
        )
        if limit:
            wanted["limit"] = limit
            counted = _count(wanted)
    st.html(markup.facts(_cost(now, counted)))
    if not total:
        st.success("All there is is described.", icon=":material/check_circle:")
        return
    st.button(
        f"Describe {_counted(counted.asked)}",
        type="primary",
        icon=":material/auto_awesome:",
        key="describe-all",
        on_click=_start,
        args=(wanted,),
    )


def _count(wanted: DescribeOptions) -> DescriptionsAsked:
    only_counted: DescribeOptions = {**wanted, "dry_run": True}
    return client().describe(**only_counted)


def _counted(count: int) -> str:
    return "1 picture" if count == 1 else f"{count:,} pictures and pages"


def _cost(now: DescriptionProgress, counted: DescriptionsAsked) -> dict[str, str]:
    estimate = counted.estimate
    by_hand = f", {now.edited:,} of them by hand" if now.edited else ""
    about = {
        "Described": f"{now.described:,}{by_hand}",
        "To describe": f"{counted.asked:,}",
        "Model": counted.model,
    }
    if counted.asked:
        about["Tokens, about"] = f"{estimate.input_tokens:,} in, {estimate.output_tokens:,} out"
        if estimate.cost is not None:
            about["Price, about"] = f"{estimate.cost:,.2f}"
        about["Time, about"] = (
            "known once the first ones are described"
            if estimate.seconds is None
            else markup.duration(estimate.seconds)
        )
    return about


def _start(wanted: DescribeOptions) -> None:
    try:
        client().describe(**wanted)
        watch_descriptions()
    except ViewfinderError as error:
        st.session_state[_ERROR] = error


def _stop_button() -> None:
    st.button("Stop", icon=":material/stop_circle:", key="describe-stop", on_click=_stop)


def _stop() -> None:
    try:
        stopped = client().stop_descriptions().stopped
    except ViewfinderError as error:
        st.toast(f"It goes on: {as_text(error.message)}", icon=":material/error:")
        return
    st.session_state.pop(_WATCHED, None)
    st.toast(f"Stopped: {stopped:,} are not described.", icon=":material/stop_circle:")


@st.fragment(run_every=_LOOK_EVERY_S)
def _progress(more_to_come: bool) -> None:
    try:
        now = client().descriptions()
    except ViewfinderError as error:
        show_error(error)
        return
    total = max(st.session_state.get(_WATCHED, 0), now.waiting)
    if now.waiting:
        st.session_state[_WATCHED] = total
    elif not more_to_come:
        _end(total, now)
    done = total - now.waiting
    text = f"Describing: {done:,} of {total:,}"
    if now.remaining_s is not None and not now.held_up:
        text += f", about {markup.duration(now.remaining_s)} more"
    st.progress(done / total if total else 0.0, text=text)
    if now.held_up:
        st.html(markup.trouble(f"It waits: {now.held_up}. It is tried again by itself."))


def _end(total: int, now: DescriptionProgress) -> None:
    st.session_state.pop(_WATCHED, None)
    if total:
        failed = f", {now.failed:,} cannot be: see Descriptions" if now.failed else ""
        st.toast(f"{now.described:,} are described{failed}.", icon=":material/check_circle:")
    forget_answer()
    st.rerun()  # all of the page: only so it ends that this is drawn again and again


def _failures(now: DescriptionProgress) -> None:
    if not now.failed:
        return
    lines = [f"- {as_text(f'{one.file_name}: {one.reason}')}" for one in now.failures]
    shown = lines[:_SHOWN_REASONS]
    if more := now.failed - len(shown):
        shown.append(f"- and {more:,} more")
    with st.expander(f"{now.failed:,} could not be described", icon=":material/warning:"):
        st.markdown("\n".join(shown))
        st.caption("They are tried again with the next request.")
