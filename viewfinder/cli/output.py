"""What commands show: tables on a terminal, plain lines elsewhere, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as Bars
from rich.table import Table

from viewfinder.api_models import ImageRecord, PictureText, SearchResponse
from viewfinder.cli.indexing import Report
from viewfinder.client import Client

_SHOWN_PROBLEMS = 20


def show_hits(console: Console, client: Client, answer: SearchResponse) -> None:
    """The pictures that were found, best first."""
    if not answer.results:
        console.print(
            "Nothing found. Try other words, fewer filters, a lower cut, or `viewfinder status`."
        )
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("relevance", justify="right", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("picture", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("id", no_wrap=True)
    table.add_column("address", overflow="fold")
    for hit in answer.results:
        about = hit.metadata
        name = about.file_name
        if about.page:
            name += f", page {about.page}"
        if hit.same_ids:
            name += f" (and {len(hit.same_ids)} alike)"
        if hit.pages:
            name += f" (and {len(hit.pages)} pages)"
        size = f"{about.width} x {about.height}" if about.width and about.height else ""
        table.add_row(
            percent(hit.relevance),
            f"{hit.score:.3f}",
            _plain(name),
            size,
            hit.id,
            client.absolute(hit.url),
        )
    console.print(table)
    for facet in answer.facets:
        counts = ", ".join(f"{_plain(str(one.value))} ({one.count:,})" for one in facet.values)
        among = "" if facet.among is None else f" (of the {facet.among:,} best)"
        console.print(f"{_plain(facet.key)}{among}: {counts or 'nothing'}", soft_wrap=True)


def percent(relevance: float | None) -> str:
    """97 %, and never 100: nothing is certain. Empty where it is not known."""
    if relevance is None:
        return ""
    if relevance < 0.01:
        return "< 1 %"
    return "> 99 %" if relevance > 0.99 else f"{relevance:.0%}".replace("%", " %")


def show_record(console: Console, client: Client, image: ImageRecord) -> None:
    """All that is known of a picture."""
    exif = image.exif
    place = "" if exif.latitude is None else f"{exif.latitude:.5f}, {exif.longitude:.5f}"
    rows = {
        "id": image.id,
        "file": image.file_name,
        "folder": image.file_path or "",
        "document": image.document_id or "",
        "page": f"{image.page} of {image.pages}" if image.page else "",
        "pages": f"{image.pages}, {image.pages_done} done" if image.kind == "document" else "",
        "state": f"{image.state}: {image.failure}" if image.failure else image.state,
        "type": image.media_type,
        "size": ", ".join(
            filter(
                None,
                (
                    f"{image.width} x {image.height} pixels",
                    f"{image.size_bytes:,} bytes" if image.size_bytes else "",
                ),
            )
        ),
        "text": {"pdf": "its text layer", "ocr": "read by sight"}.get(image.text_source or "", ""),
        "tags": ", ".join(image.tags),
        "taken": exif.taken_at or "",
        "camera": " ".join(filter(None, (exif.camera_make, exif.camera_model))),
        "place": place,
        "uploaded": f"{image.uploaded_at:%Y-%m-%d %H:%M:%S} UTC" if image.uploaded_at else "",
        **{f"metadata.{key}": str(value) for key, value in image.metadata.items()},
        "address": client.absolute(image.url),
    }
    table = Table(box=None, show_header=False, pad_edge=False)
    for key, value in rows.items():
        if value:
            table.add_row(key, _plain(value))
    console.print(table)


def show_list(console: Console, images: Iterable[ImageRecord]) -> None:
    """Pictures, documents or pages, one a line."""
    table = Table(box=None, pad_edge=False)
    for name in ("id", "what", "state", "size"):
        table.add_column(name, no_wrap=True)
    table.add_column("file", overflow="fold")
    for image in images:
        what, size = image.kind.capitalize(), f"{image.width} x {image.height}"
        state: str = image.state
        if image.kind == "document":
            size = f"{image.pages} pages"
            if image.pages_done != image.pages:
                state += f", {image.pages_done} pages done"
        elif image.kind == "page":
            what = f"Page {image.page}"
        table.add_row(image.id, what.lower(), state, size, _plain(image.file_name))
    console.print(table)


def show_text(console: Console, image: ImageRecord, text: PictureText) -> None:
    """What stands in it, as it stands in lines."""
    if image.page:
        console.print(f"--- page {image.page} of {image.pages} ---", markup=False)
    if text.source is None:
        console.print("(not read yet)", markup=False)
    for line in text.text.splitlines():
        console.print(_plain(line), soft_wrap=True)


def show_report(console: Console, report: Report) -> None:
    """The end of an index run: counts, and the first files that did not make it."""
    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(report.counts().items()))
    console.print(f"{len(report.entries):,} files: {counts or 'nothing to do'}")
    problems = [entry for entry in report.entries if entry.outcome in ("refused", "failed")]
    for entry in problems[:_SHOWN_PROBLEMS]:
        console.print(
            f"  {entry.outcome}: {entry.path}: {entry.reason}", markup=False, soft_wrap=True
        )
    if len(problems) > _SHOWN_PROBLEMS:
        console.print(f"  and {len(problems) - _SHOWN_PROBLEMS} more, all in the manifest")


def _plain(text: str) -> str:
    """Text from outside: no markup, no control characters that move the cursor."""
    shown = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
    return shown.replace("[", "\\[")


class IndexBars:
    """Three bars: looked at, sent, searchable."""

    def __init__(self, console: Console) -> None:
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description:<12}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._looked = self._bars.add_task("looked at", total=None)
        self._sent = self._bars.add_task("sent", total=0)
        self._ready = self._bars.add_task("searchable", total=0)
        self._files = 0
        self._to_send = 0

    def __enter__(self) -> IndexBars:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def looked(self, files: int) -> None:
        """See indexing.Progress."""
        self._files += files
        self._bars.advance(self._looked, files)

    def found(self, to_send: int, *, last: bool) -> None:
        """See indexing.Progress."""
        self._to_send += to_send
        self._bars.update(self._sent, total=self._to_send)
        self._bars.update(self._ready, total=self._to_send)
        if last:
            self._bars.update(self._looked, total=self._files)

    def sent(self, files: int) -> None:
        """See indexing.Progress."""
        self._bars.advance(self._sent, files)

    def searchable(self, done: int, total: int) -> None:
        """See indexing.Progress."""
        self._bars.update(self._ready, completed=done, total=max(total, done))
