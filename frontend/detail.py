"""One picture or page, large, with what is known of it and what can be done with it."""

from __future__ import annotations

import streamlit as st

from frontend import markup
from frontend.ask import ask_about
from frontend.cards import page_of
from frontend.description import description, stop_editing
from frontend.large import first_page_of, large
from frontend.session import (
    View,
    as_text,
    attempt,
    browser_url,
    client,
    close_picture,
    forget_answer,
    opened_picture,
    show,
    show_error,
    view,
)
from viewfinder.api_models import ImageRecord
from viewfinder.errors import ViewfinderError


def detail() -> None:
    """The dialog of the opened picture, if one is open."""
    image_id = opened_picture()
    image = attempt(lambda: _opened(image_id)) if image_id else None
    if image is None:
        close_picture()
        return
    title = as_text(image.file_name)
    st.dialog(title, width="large", on_dismiss=_close)(_dialog)(image)


def _close() -> None:
    stop_editing()
    close_picture()


def _opened(image_id: str) -> ImageRecord:
    """The picture or page; of a document its first page."""
    image = client().image(image_id)
    return client().image(first_page_of(image)) if image.kind == "document" else image


def _dialog(image: ImageRecord) -> None:
    turned_to = opened_picture()  # the pages are turned without running the whole page again
    if turned_to and turned_to not in (image.id, image.document_id):
        image = attempt(lambda: _opened(turned_to)) or image
    left, right = st.columns([3, 2], gap="medium")
    with left:
        large(image)
    with right:
        with st.container(horizontal=True):
            _more_like(image)
            _ask(image)
            _original(image)
            _delete(image)
        described = st.container()
        st.html(markup.facts(_facts(image)))
        _tags(image)
        _text(image)
        with described:  # last: it asks more of the gateway than all else
            description(image.id)


def _name(image: ImageRecord) -> str:
    return ", ".join(filter(None, (image.file_name, page_of(image.page, image.pages))))


def _ask(image: ImageRecord) -> None:
    if st.button(
        "Ask",
        icon=":material/forum:",
        key="dialog-ask",
        help=f"Ask about this {'page' if image.page else 'picture'}",
        on_click=ask_about,
        args=(image.id, _name(image)),
    ):
        st.rerun()


def _more_like(image: ImageRecord) -> None:
    like_it = View("similar", image_id=image.id, name=_name(image), back=view())
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


def _original(image: ImageRecord) -> None:
    if image.document_url:
        # What a browser's own viewer understands.
        address = f"{browser_url(image.document_url)}#page={image.page}"
        st.link_button("Open PDF", address, icon=":material/picture_as_pdf:")
    else:
        st.link_button("Original", browser_url(image.url), icon=":material/open_in_new:")


def _facts(image: ImageRecord) -> dict[str, str]:
    exif = image.exif
    place = (
        f"{exif.latitude:.5f}, {exif.longitude:.5f}"
        if exif.latitude is not None and exif.longitude is not None
        else ""
    )
    size = f"{image.width} x {image.height} pixels"
    return {
        "Page": page_of(image.page, image.pages).removeprefix("page "),
        "Taken": exif.taken_at or "",
        "Camera": " ".join(filter(None, (exif.camera_make, exif.camera_model))),
        "Place": place,
        "Size": size if image.page else f"{size}, {markup.readable_size(image.size_bytes)}",
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
    owner = image.document_id or image.id  # pages have the tags of their document
    chosen = list(
        st.multiselect(
            "Tags of the document" if image.page else "Tags",
            options=image.tags,
            default=image.tags,
            accept_new_options=True,
            placeholder="Type a tag and press Enter",
            key=f"tags-{owner}",
        )
    )
    key = f"saved-tags-{owner}"  # `image` is as it was when the dialog opened
    is_changed = chosen != st.session_state.get(key, image.tags)
    if is_changed and attempt(lambda: client().update(owner, tags=chosen)):
        st.session_state[key] = chosen
        forget_answer()


def _text(image: ImageRecord) -> None:
    if not image.text_source:
        return
    found = attempt(lambda: client().text(image.id))
    if found is None or not found.text.strip():
        return
    with st.expander("Text on this page" if image.page else "Text in this picture"):
        by = "From the PDF itself" if found.source == "pdf" else "Read from its pixels (OCR)"
        st.caption(by)
        st.html(markup.read_text(found.text))


def _delete(image: ImageRecord) -> None:
    what = f"document, all {markup.pages(image.pages or 1)} of it" if image.page else "picture"
    with st.popover("Delete", icon=":material/delete:"):
        st.write(f"Remove this {what} for good, original and all?")
        if st.button("Delete for good", type="primary", key="delete-for-good"):
            try:
                client().delete(image.document_id or image.id)
            except ViewfinderError as error:
                show_error(error)
                return
            close_picture()
            forget_answer()
            st.rerun()
