"""Writing what a picture shows in one's own words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st
from pydantic import ValidationError

from frontend.session import as_text, client, draw_again, forget_answer, show_error
from viewfinder.api_descriptions import Description, DescriptionText
from viewfinder.api_models import ImageRecord
from viewfinder.errors import ViewfinderError

_MAX_WORDS_CHARS = 4000
_NAMES = {
    "caption": "What it shows",
    "objects": "Things in it",
    "text": "Text in it",
    "colours": "Colours",
    "setting": "Setting",
}


def edit_form(image: ImageRecord, on_end: Callable[[], None]) -> None:
    """The fields, as they are now; `on_end`: saved, removed, or left as it was."""
    shown = image.description or Description(caption="")
    with st.form(f"description-of-{image.id}", enter_to_submit=False):
        caption = st.text_area(
            _NAMES["caption"],
            value=shown.caption,
            max_chars=1000,
            height=96,
            placeholder="In a sentence or two; searches find these words",
        )
        objects = _words(_NAMES["objects"], shown.objects)
        text = st.text_area(_NAMES["text"], value=shown.text, max_chars=8000, height=68)
        colours = _words(_NAMES["colours"], shown.colours)
        setting = st.text_input(
            _NAMES["setting"],
            value=shown.setting,
            max_chars=400,
            placeholder="Place, time of day, kind of picture",
        )
        with st.container(horizontal=True, gap="small"):
            wants_saved = st.form_submit_button("Save", type="primary")
            st.form_submit_button("Cancel", on_click=on_end)
            wants_removed = image.description is not None and st.form_submit_button(
                "Remove", icon=":material/delete:"
            )
    if wants_removed:
        _save(image, None, on_end)
    elif wants_saved:
        try:
            written = DescriptionText(
                caption=caption, objects=objects, text=text, colours=colours, setting=setting
            )
        except ValidationError as error:
            st.error(_told(error), icon=":material/error:")
        else:
            _save(image, written, on_end)


def _words(label: str, before: Sequence[str]) -> list[str]:
    as_shown = ", ".join(before)
    typed = st.text_input(
        label,
        value=as_shown,
        max_chars=_MAX_WORDS_CHARS,
        placeholder="Separated by commas",
    )
    if typed == as_shown:
        return list(before)  # a word of the model's may have a comma in it
    return [word.strip() for word in typed.split(",") if word.strip()]


def _told(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    field = str(fault["loc"][0])
    if field == "caption":
        return "Say in a sentence what it shows."
    return f"{_NAMES[field]}: {as_text(fault['msg'])}"


def _save(image: ImageRecord, written: DescriptionText | None, on_end: Callable[[], None]) -> None:
    try:
        client().update(image.id, description=written)
    except ViewfinderError as error:
        show_error(error)
        return
    forget_answer()
    on_end()
    told = "Saved. Searches find it by these words in a moment." if written else "Removed."
    st.toast(told, icon=":material/check_circle:")
    draw_again()
