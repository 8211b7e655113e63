"""What one picture or page shows: told by a vision model or written by hand, and edited."""

from __future__ import annotations

import streamlit as st

from frontend import markup
from frontend.description_form import edit_form
from frontend.session import attempt, client, forget_answer, show_error
from frontend.vision_setup import how_to_switch_on
from viewfinder.api_descriptions import DescriptionProgress, DescriptionsAsked
from viewfinder.api_models import ImageRecord
from viewfinder.errors import ViewfinderError, VisionModelDisabled

_LOOK_EVERY_S = 1.0
_EDITED = "edited-description"
_ASKED = "asked-descriptions"


@st.fragment
def description(image_id: str) -> None:
    """It, and what can be done with it. What is done here does not draw the page again."""
    image = attempt(lambda: client().image(image_id))
    if image is None:
        return
    with st.container(key="description", gap="small"):
        if st.session_state.get(_EDITED) == image.id:
            edit_form(image, on_end=stop_editing)
            return
        _shown(image)
        asked, off = None, None
        try:
            asked = client().describe(ids=[image.id], dry_run=True)
        except VisionModelDisabled as error:
            off = error
        except ViewfinderError as error:
            show_error(error)
        if asked is not None and asked.waiting:
            _waiting(image.id)
            return
        if asked is not None:
            _failure(image)
        _actions(image, asked, off)


def stop_editing() -> None:
    """Show it as it is again."""
    st.session_state.pop(_EDITED, None)


def _shown(image: ImageRecord) -> None:
    shown = image.description
    if shown is None:
        st.html(markup.no_description())
        return
    when = f", {shown.described_at:%Y-%m-%d}" if shown.described_at else ""
    by = "Written by hand" if shown.edited else f"Told by {shown.model or 'a vision model'}"
    st.html(
        markup.description(
            shown.caption,
            {
                "Things": ", ".join(shown.objects),
                "Text": shown.text,
                "Colours": ", ".join(shown.colours),
                "Setting": shown.setting,
            },
            f"{by}{when}",
        )
    )


def _actions(
    image: ImageRecord, asked: DescriptionsAsked | None, off: VisionModelDisabled | None
) -> None:
    shown = image.description
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Edit" if shown else "Write it yourself",
            icon=":material/edit:",
            key="description-edit",
            on_click=_edit,
            args=(image.id,),
        )
        label = "Describe again" if shown else f"Describe this {_kind(image)}"
        if off is not None:
            with st.popover(label, icon=":material/auto_awesome:", key="description-off"):
                how_to_switch_on("Describing pictures", off.message)
        elif shown is not None and shown.edited:
            with st.popover(label, icon=":material/auto_awesome:", key="description-replace"):
                st.write("Replace what was written by hand?")
                _describe(image, "Replace it", is_primary=True)
        elif shown is not None or (asked is not None and asked.asked):
            _describe(image, label)


def _kind(image: ImageRecord) -> str:
    return "page" if image.page else "picture"


def _describe(image: ImageRecord, label: str, *, is_primary: bool = False) -> None:
    st.button(
        label,
        icon=":material/auto_awesome:",
        type="primary" if is_primary else "secondary",
        key="description-describe",
        on_click=_ask,
        args=(image.id,),
    )


def _ask(image_id: str) -> None:
    """Have the model describe it. What goes wrong is told where the failure would be."""
    asked = st.session_state.setdefault(_ASKED, {})
    try:
        client().describe(ids=[image_id], again=True)
        asked[image_id] = None
    except ViewfinderError as error:
        asked[image_id] = error


def _edit(image_id: str) -> None:
    st.session_state[_EDITED] = image_id


def _failure(image: ImageRecord) -> None:
    """Why there is no description, where one was asked for."""
    asked = st.session_state.get(_ASKED, {})
    error = asked.get(image.id)
    if error is not None:
        show_error(error)
    elif image.description is None or image.id in asked:
        progress = attempt(client().descriptions)
        reason = _reason(progress, image.id) if progress else ""
        if reason:
            st.html(markup.trouble(f"It could not be described: {reason}"))


def _reason(progress: DescriptionProgress, image_id: str) -> str:
    return next((one.reason for one in progress.failures if one.image_id == image_id), "")


@st.fragment(run_every=_LOOK_EVERY_S)
def _waiting(image_id: str) -> None:
    """Until the model is done with it, or somebody had it stop."""
    try:
        waits = client().describe(ids=[image_id], dry_run=True).waiting
        now = client().descriptions()
    except ViewfinderError as error:
        show_error(error)
        return
    if not waits:
        forget_answer()
        st.rerun()  # all of the page: only so it ends that this is drawn again and again
    if now.held_up:
        st.html(markup.trouble(f"It waits: {now.held_up}. It is tried again by itself."))
        return
    others = now.waiting - 1
    told = f"{now.model} looks at it"
    if others:
        told += f"; {others:,} more wait"
    elif now.mean_s:
        told += f", which takes it {markup.duration(now.mean_s)}"
    st.html(markup.working(f"{told} …"))
