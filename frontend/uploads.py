"""Adding pictures: drag and drop of many files, with progress until all are searchable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO

import streamlit as st

from frontend.session import as_text, client, friendly_errors
from viewfinder.client import FileToUpload
from viewfinder.ids import new_id

_FILES_A_REQUEST = 8
_SUFFIXES = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "heic", "heif", "avif"]


@dataclass
class Outcome:
    """What became of the files of one drop."""

    added: int = 0
    known: int = 0
    refused: list[str] = field(default_factory=list)


def upload_area(*, expanded: bool) -> None:
    """The drop zone; files are sent as soon as they are dropped."""
    with st.expander("Add pictures", icon=":material/add_photo_alternate:", expanded=expanded):
        drop = int(st.session_state.setdefault("drop", 0))
        tags = st.multiselect(
            "Tags for what you drop",
            options=[],
            accept_new_options=True,
            placeholder="Optional; type one and press Enter",
            key="upload-tags",
        )
        files = st.file_uploader(
            "Drop pictures here",
            type=_SUFFIXES,
            accept_multiple_files=True,
            key=f"files-{drop}",
            label_visibility="collapsed",
        )
        if files:
            outcome = Outcome()
            with friendly_errors():
                _send(files, tags, outcome)
                st.session_state["outcome"] = outcome
                st.session_state["drop"] = drop + 1  # an uploader with a new key is an empty one
                st.rerun()
        _last_outcome()


def _send(files: Sequence[IO[bytes]], tags: Sequence[str], outcome: Outcome) -> None:
    job_id = new_id()
    bar = st.progress(0.0, text=f"Sending {len(files)} pictures")
    for number, some in enumerate(_batches(files)):
        answer = client().upload(
            [FileToUpload(file, file_name=file.name) for file in some], tags=tags, job_id=job_id
        )
        outcome.known += sum(image.duplicate for image in answer.images)
        outcome.added += sum(not image.duplicate for image in answer.images)
        outcome.refused += [
            f"{rejected.file_name}: {rejected.error.detail}" for rejected in answer.rejected
        ]
        sent = min(len(files), (number + 1) * _FILES_A_REQUEST)
        bar.progress(0.5 * sent / len(files), text=f"Sent {sent} of {len(files)}")
    if not outcome.added and not outcome.known:
        return
    for job in client().watch_job(job_id):
        ready = job.indexed + job.failed + job.gone
        bar.progress(
            0.5 + 0.5 * ready / max(1, job.total),
            text=f"Searchable: {job.indexed} of {job.total}",
        )
        if job.done:
            outcome.refused += [
                f"{failure.file_name}: {failure.reason}" for failure in job.failures
            ]


def _batches(files: Sequence[IO[bytes]]) -> list[Sequence[IO[bytes]]]:
    return [
        files[start : start + _FILES_A_REQUEST] for start in range(0, len(files), _FILES_A_REQUEST)
    ]


def _last_outcome() -> None:
    outcome = st.session_state.get("outcome")
    if not isinstance(outcome, Outcome):
        return
    if outcome.added or outcome.known:
        known = f", {outcome.known} were here already" if outcome.known else ""
        st.success(f"{outcome.added} pictures added and searchable{known}", icon="✅")
    if outcome.refused:
        lines = "\n".join(f"- {as_text(line)}" for line in outcome.refused)
        st.warning(f"{len(outcome.refused)} were not added:\n\n{lines}", icon="⚠️")
