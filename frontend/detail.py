"""One picture, large, with what is known of it and what can be done with it."""

from __future__ import annotations

import httpx
import streamlit as st

from frontend import markup
from frontend.session import (
    View,
    as_text,
    attempt,
    browser_url,
    client,
    close_picture,
    forget_answer,
    friendly_errors,
    opened_picture,
    show,
    view,
)
from viewfinder.api_models import ImageRecord

_LARGE_PX = 1600


def detail() -> None:
    """The dialog of the opened picture, if one is open."""
    image_id = opened_picture()
    image = attempt(lambda: client().image(image_id)) if image_id else None
    if image is None:
        close_picture()
        return
    title = as_text(image.file_name)
    st.dialog(title, width="large", on_dismiss=close_picture)(_picture)(image)


def _picture(image: ImageRecord) -> None:
    large, known = st.columns([3, 2], gap="medium")
    with large:
        url = httpx.URL(image.url).copy_merge_params({"width": _LARGE_PX, "format": "webp"})
        st.html(markup.large_picture(image_url=browser_url(str(url)), name=image.file_name))
    with known:
        with st.container(horizontal=True):
            _more_like(image)
            st.link_button("Original", browser_url(image.url), icon=":material/open_in_new:")
            _delete(image)
        st.html(markup.facts(_facts(image)))
        _tags(image)


def _more_like(image: ImageRecord) -> None:
    like_it = View("similar", image_id=image.id, name=image.file_name, back=view())
    if st.button(
        "More like this",
        type="primary",
        icon=":material/image_search:",
        key="dialog-like",
        disabled=image.state != "indexed",
        on_click=show,
        args=(like_it,),
    ):
        st.rerun()


def _facts(image: ImageRecord) -> dict[str, str]:
    exif = image.exif
    place = (
        f"{exif.latitude:.5f}, {exif.longitude:.5f}"
        if exif.latitude is not None and exif.longitude is not None
        else ""
    )
    return {
        "Taken": exif.taken_at or "",
        "Camera": " ".join(filter(None, (exif.camera_make, exif.camera_model))),
        "Place": place,
        "Size": f"{image.width} x {image.height} pixels, {markup.readable_size(image.size_bytes)}",
        "Type": image.media_type,
        "Folder": image.file_path or "",
        "Added": f"{image.uploaded_at:%Y-%m-%d %H:%M} UTC" if image.uploaded_at else "",
        "State": _state(image),
        **{key: str(value) for key, value in image.metadata.items()},
        "Id": image.id,
    }


def _state(image: ImageRecord) -> str:
    if image.state == "indexed":
        return "searchable"
    return f"not searchable: {image.failure}" if image.failure else "not searchable yet"


def _tags(image: ImageRecord) -> None:
    chosen = list(
        st.multiselect(
            "Tags",
            options=image.tags,
            default=image.tags,
            accept_new_options=True,
            placeholder="Type a tag and press Enter",
            key=f"tags-{image.id}",
        )
    )
    key = f"saved-tags-{image.id}"  # `image` is as it was when the dialog opened
    if chosen != st.session_state.get(key, image.tags):
        with friendly_errors():
            client().update(image.id, tags=chosen)
            st.session_state[key] = chosen
            forget_answer()


def _delete(image: ImageRecord) -> None:
    with st.popover("Delete", icon=":material/delete:"):
        st.write("Remove this picture for good, original and all?")
        if st.button("Delete for good", type="primary", key="delete-for-good"):
            with friendly_errors():
                client().delete(image.id)
                close_picture()
                forget_answer()
                st.rerun()
