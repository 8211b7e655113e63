"""How often the right page is found first by what stands on it, through a running Viewfinder."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from rich.console import Console

from bench.figures import Figures, machine
from bench.made_documents import Kind, MadeDocument
from viewfinder.api_models import ImageRecord, SearchMode
from viewfinder.client import Client, FileToUpload
from viewfinder.ids import new_id, page_id

MODES: tuple[SearchMode, ...] = ("hybrid", "document", "auto", "visual")
KINDS: tuple[Kind, ...] = ("text layer", "scan", "picture")
TOP = 10
_LOOK_EVERY_S = 1.0
_STUCK_S = 180.0


class NotReadError(Exception):
    """Not all pages were indexed and read; the text says which."""


@dataclass(frozen=True)
class Question:
    """What is asked, and the id of the one page that answers it."""

    text: str
    answer_id: str
    kind: Kind
    file_name: str
    page: int


@dataclass(frozen=True)
class Asked:
    """`place` of the right page among the first ten, from 1; 0: not there."""

    question: Question
    place: int
    first: str
    latency_ms: float


@dataclass
class DocumentsEvaluation:
    """What was asked, by mode, and how long the documents took."""

    asked: dict[SearchMode, list[Asked]] = field(default_factory=dict)
    files: int = 0
    pages: int = 0
    indexed_s: float = 0.0
    read_s: float = 0.0

    def of(self, mode: SearchMode, kind: Kind | None = None) -> list[Asked]:
        """The answers of this mode, about pages of this kind."""
        return [one for one in self.asked[mode] if kind in (None, one.question.kind)]

    def figures(self) -> Figures:
        """One flat object; shares in percent."""
        figures: Figures = {"files": self.files, "pages": self.pages}
        for mode in self.asked:
            for kind in (None, *KINDS):
                if answers := self.of(mode, kind):
                    name = f"{mode}_{kind.replace(' ', '_')}" if kind else mode
                    figures |= {
                        f"{name}_questions": len(answers),
                        f"{name}_r_at_1": share_within(answers, 1),
                        f"{name}_r_at_5": share_within(answers, 5),
                        f"{name}_mrr": mean_reciprocal_rank(answers),
                    }
        figures |= {"indexed_s": round(self.indexed_s, 1), "read_s": round(self.read_s, 1)}
        return figures | machine()


def share_within(answers: Sequence[Asked], places: int) -> float:
    """Percent of questions whose page is among the first `places`."""
    return round(100 * sum(0 < one.place <= places for one in answers) / len(answers), 2)


def mean_reciprocal_rank(answers: Sequence[Asked]) -> float:
    """Of the first ten places; a page further down counts nothing."""
    return round(sum(1 / one.place for one in answers if one.place) / len(answers), 4)


def evaluate_documents(
    client: Client, documents: Sequence[MadeDocument], console: Console
) -> DocumentsEvaluation:
    """Upload all, wait until every page is read, ask every question in every mode.

    What was not there before is deleted in the end.

    Raises:
        NotReadError: a page failed, or reading does not go on.
        ViewfinderError: the gateway cannot be asked.
    """
    found = DocumentsEvaluation(
        files=len(documents), pages=sum(len(one.pages) for one in documents)
    )
    with _uploaded(client, documents, console, found) as questions:
        for mode in MODES:
            with console.status(f"Asking in mode {mode} ..."):
                # Pages of documents only: pictures cannot be found in this mode.
                asked = [one for one in questions if mode != "document" or one.kind != "picture"]
                found.asked[mode] = [_ask(client, question, mode) for question in asked]
    return found


def _ask(client: Client, question: Question, mode: SearchMode) -> Asked:
    answer = client.search(question.text, mode=mode, top_k=TOP)
    ids = [hit.id for hit in answer.results]
    place = ids.index(question.answer_id) + 1 if question.answer_id in ids else 0
    first = ""
    if answer.results:
        about = answer.results[0].metadata
        first = about.file_name + (f", page {about.page}" if about.page else "")
    return Asked(question, place, first, answer.latency_ms)


@contextmanager
def _uploaded(
    client: Client,
    documents: Sequence[MadeDocument],
    console: Console,
    found: DocumentsEvaluation,
) -> Iterator[list[Question]]:
    ours: list[str] = []
    questions: list[Question] = []
    job_id, began = new_id(), time.perf_counter()
    try:
        for document in documents:
            file = FileToUpload(document.content, file_name=document.file_name)
            image = client.upload_one(file, job_id=job_id).images[0]
            if not image.duplicate:
                ours.append(image.id)
            questions += _questions(document, image.id)
        with console.status("Indexing ..."):
            *_, job = client.watch_job(job_id)
        if job.failed:
            first = job.failures[0]
            raise NotReadError(
                f"{job.failed} pages failed, such as {first.file_name}: {first.reason}"
            )
        found.indexed_s = time.perf_counter() - began
        _wait_until_read(client, [one.answer_id for one in questions], console)
        found.read_s = time.perf_counter() - began
        yield questions
    finally:
        for image_id in ours:
            client.delete(image_id)


def _questions(document: MadeDocument, document_id: str) -> list[Question]:
    return [
        Question(
            page.question,
            document_id
            if document.kind == "picture"
            else str(page_id(UUID(document_id), page.number)),
            document.kind,
            document.file_name,
            page.number,
        )
        for page in document.pages
    ]


def _wait_until_read(client: Client, ids: Sequence[str], console: Console) -> None:
    waiting, moved = list(ids), time.monotonic()
    with console.status("Reading ...") as status:
        while waiting:
            records = [client.image(one) for one in waiting]
            still = [record.id for record in records if not _is_read(record)]
            if len(still) < len(waiting):
                moved = time.monotonic()
            if time.monotonic() - moved > _STUCK_S:
                raise NotReadError(f"{len(still)} pages are not read, such as {still[0]}")
            waiting = still
            status.update(f"Reading: {len(ids) - len(waiting)} of {len(ids)} pages ...")
            if waiting:
                time.sleep(_LOOK_EVERY_S)


def _is_read(record: ImageRecord) -> bool:
    return bool(record.text_source)
