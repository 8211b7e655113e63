"""One picture, large, with what is known of it and what can be done with it."""

from __future__ import annotations

import httpx
import streamlit as st

from frontend import markup
from frontend.session import View, attempt, browser_url, client, friendly_errors, show
from viewfinder.api_models import ImageRecord

_LARGE_PX = 1600


@st.dialog("Picture", width="large")
def open_dialog(image_id: str) -> None:
    """The dialog of one picture."""
    image = attempt(lambda: client().image(image_id))
    if image is None:
        return
    large = httpx.URL(image.url).copy_merge_params({"width": _LARGE_PX, "format": "webp"})
    url = browser_url(str(large))
    st.html(markup.large_picture(image_url=url, name=image.file_name))
    if st.button("More like this", icon=":material/image_search:", key="dialog-like"):
        show(View("similar", image_id=image.id, name=image.file_name))
        st.rerun()
    st.html(markup.facts(_facts(image)))
    st.link_button("Original", browser_url(image.url), icon=":material/download:")
    _tags(image)
    _delete(image)


def _facts(image: ImageRecord) -> dict[str, str]:
    exif = image.exif
    place = (
        f"{exif.latitude:.5f}, {exif.longitude:.5f}"
        if exif.latitude is not None and exif.longitude is not None
        else ""
    )
    return {
        "File": image.file_name,
        "Folder": image.file_path or "",
        "Size": f"{image.width} x {image.height} pixels, {markup.readable_size(image.size_bytes)}",
        "Type": image.media_type,
        "Taken": exif.taken_at or "",
        "Camera": " ".join(filter(None, (exif.camera_make, exif.camera_model))),
        "Place": place,
        "Added": f"{image.uploaded_at:%Y-%m-%d %H:%M} UTC" if image.uploaded_at else "",
        "State": image.state if not image.failure else f"{image.state}: {image.failure}",
        **{key: str(value) for key, value in image.metadata.items()},
        "Id": image.id,
    }


def _tags(image: ImageRecord) -> None:
    chosen = st.multiselect(
        "Tags",
        options=image.tags,
        default=image.tags,
        accept_new_options=True,
        placeholder="Type a tag and press Enter",
        key=f"tags-{image.id}",
    )
    changed = list(chosen) != image.tags
    if st.button("Save tags", disabled=not changed, key="save-tags"):
        with friendly_errors():
            client().update(image.id, tags=list(chosen))
            st.rerun()


def _delete(image: ImageRecord) -> None:
    with st.popover("Delete", icon=":material/delete:"):
        st.write("Remove this picture for good, original and all?")
        if st.button("Delete for good", type="primary", key="delete-for-good"):
            with friendly_errors():
                client().delete(image.id)
                st.rerun()
