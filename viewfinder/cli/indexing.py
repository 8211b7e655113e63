"""Brings files into Viewfinder: what is already there by content is skipped, the rest is sent in
parallel, and it is not over before everything is searchable."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Protocol

from viewfinder.client import Client, FileToUpload
from viewfinder.errors import DeadlineExceeded, Overloaded, ServiceUnavailable
from viewfinder.ids import image_id_of_file, new_id

_LOOKUP_FILES = 200
_REQUEST_FILES = 8
_REQUEST_BYTES = 16 << 20
_TRIES = 10
_LONGEST_PAUSE_S = 30.0
_POLL_S = 0.3


@dataclass(slots=True)
class Entry:
    """What became of one file."""

    path: str
    id: str = ""
    outcome: str = ""  # indexed, skipped (was there), duplicate (of another file), refused, failed
    reason: str = ""


@dataclass
class Report:
    """What became of all files."""

    job_id: str
    entries: list[Entry] = field(default_factory=list)
    interrupted: bool = False

    def counts(self) -> Counter[str]:
        """Files by outcome."""
        return Counter(entry.outcome or "not reached" for entry in self.entries)

    @property
    def complete(self) -> bool:
        """Nothing was refused, failed or left out."""
        return not self.interrupted and set(self.counts()) <= {"indexed", "skipped", "duplicate"}

    def write(self, manifest: Path) -> None:
        """Write all of it as JSON; the file is there whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        content = {
            "job_id": self.job_id,
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "interrupted": self.interrupted,
            "counts": dict(self.counts()),
            "files": [asdict(entry) for entry in self.entries],
        }
        manifest.parent.mkdir(parents=True, exist_ok=True)
        temporary = manifest.with_name(f".{manifest.name}.{os.getpid()}.part")
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
        temporary.replace(manifest)


class Progress(Protocol):
    """Is told how far it is; the command line draws bars."""

    def looked(self, files: int) -> None:
        """Files were hashed and looked up."""
        ...

    def found(self, to_send: int, *, last: bool) -> None:
        """Files turned out to be new; `last` when no more will."""
        ...

    def sent(self, files: int) -> None:
        """Files were sent, or refused."""
        ...

    def searchable(self, done: int, total: int) -> None:
        """Of the pictures and pages that were sent, so many are ready."""
        ...


class Indexer:
    """One run over many files, all in one job."""

    def __init__(
        self,
        client: Client,
        tags: Sequence[str],
        parallel: int,
        progress: Progress,
        password: str = "",
        *,
        describe: bool = False,
    ) -> None:
        self._client = client
        self._tags = tags
        self._parallel = parallel
        self._progress = progress
        self._password = password
        self._describe = describe
        self._job_id = new_id()
        self._accepted = threading.Event()
        self.report = Report(self._job_id)

    def run(self, files: Iterable[Path]) -> Report:
        """Index these files. Ctrl-C stops it; what is done is in `report`, and it can be run again.

        Raises:
            ServiceUnavailable: the gateway stayed away.
            ViewfinderError: nothing can be taken in, such as StorageFull.
        """
        all_sent = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(all_sent,), daemon=True)
        watcher.start()
        try:
            with ThreadPoolExecutor(self._parallel) as pool:
                try:
                    self._send_all(pool, self._requests(pool, files))
                except BaseException:
                    pool.shutdown(wait=True, cancel_futures=True)
                    raise
            all_sent.set()
            while watcher.is_alive():
                watcher.join(_POLL_S)
            self._final_states()
        except KeyboardInterrupt:
            self.report.interrupted = True
        finally:
            all_sent.set()
        return self.report

    # --- what is new ---

    def _requests(self, pool: ThreadPoolExecutor, files: Iterable[Path]) -> Iterator[list[Entry]]:
        """Groups of new files, small enough for one request each."""
        by_id: dict[str, Entry] = {}
        files = iter(files)
        while some := list(islice(files, _LOOKUP_FILES)):
            entries = [Entry(str(path)) for path in some]
            self.report.entries += entries
            list(pool.map(_identify, entries))
            readable = [entry for entry in entries if entry.id]
            known = {
                image.id: image.state
                for image in self._client.lookup({entry.id for entry in readable}).images
            }
            new: list[Entry] = []
            for entry in readable:
                if known.get(entry.id, "failed") != "failed":
                    entry.outcome = "skipped"
                elif entry.id in by_id:
                    entry.outcome = "duplicate"
                    entry.reason = f"the same bytes as {by_id[entry.id].path}"
                else:
                    by_id[entry.id] = entry
                    new.append(entry)
            self._progress.looked(len(entries))
            self._progress.found(len(new), last=False)
            yield from _grouped(new)
        self._progress.found(0, last=True)

    # --- sending ---

    def _send_all(self, pool: ThreadPoolExecutor, requests: Iterator[list[Entry]]) -> None:
        running: set[Future[None]] = set()
        for request in requests:
            running.add(pool.submit(self._send, request))
            if len(running) >= 2 * self._parallel:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
        for future in running:
            future.result()

    def _send(self, entries: list[Entry]) -> None:
        files = [
            FileToUpload(Path(entry.path), file_path=entry.path)
            for entry in entries
            if _readable(entry)
        ]
        if not files:
            self._progress.sent(len(entries))
            return
        accepted = None
        for attempt in range(_TRIES):
            try:
                accepted = self._client.upload(
                    files,
                    tags=self._tags,
                    job_id=self._job_id,
                    password=self._password,
                    describe=self._describe,
                )
                break
            except (ServiceUnavailable, DeadlineExceeded, Overloaded) as error:
                if attempt == _TRIES - 1:
                    raise
                asked = error.retry_after_s if isinstance(error, Overloaded) else 0
                time.sleep(max(asked, min(_LONGEST_PAUSE_S, 0.5 * 2**attempt)))
        assert accepted is not None
        here = {image.id for image in accepted.images}
        reasons = iter(accepted.rejected)
        for entry in entries:
            if entry.id in here:
                entry.outcome = "stored"
            elif not entry.outcome:
                refused = next(reasons, None)
                entry.outcome = "refused"
                entry.reason = refused.error.detail if refused else "it changed while it was read"
        if here:
            self._accepted.set()
        self._progress.sent(len(entries))

    # --- until it is searchable ---

    def _watch(self, all_sent: threading.Event) -> None:
        while not all_sent.wait(_POLL_S):
            if self._accepted.is_set():
                self._show_job()
        if self._accepted.is_set() and not self.report.interrupted:
            for job in self._client.watch_job(self._job_id):
                self._progress.searchable(job.total - job.stored, job.total)

    def _show_job(self) -> None:
        try:
            job = self._client.job(self._job_id)
        except (ServiceUnavailable, DeadlineExceeded):
            return  # a look in between; the watch at the end is patient
        self._progress.searchable(job.total - job.stored, job.total)

    def _final_states(self) -> None:
        sent = {entry.id: entry for entry in self.report.entries if entry.outcome == "stored"}
        for image in self._client.lookup(sent).images:
            entry = sent[image.id]
            entry.outcome, entry.reason = image.state, image.failure or ""


def _identify(entry: Entry) -> None:
    try:
        entry.id = str(image_id_of_file(Path(entry.path)))
    except OSError as error:
        entry.outcome, entry.reason = "failed", error.strerror or str(error)


def _readable(entry: Entry) -> bool:
    """Whether the file is still there; if not, its entry says so."""
    try:
        with Path(entry.path).open("rb"):
            return True
    except OSError as error:
        entry.outcome, entry.reason = "failed", error.strerror or str(error)
        return False


def _grouped(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    group: list[Entry] = []
    size = 0
    for entry in entries:
        try:
            file_size = Path(entry.path).stat().st_size
        except OSError:
            file_size = 0
        if group and (len(group) == _REQUEST_FILES or size + file_size > _REQUEST_BYTES):
            yield group
            group, size = [], 0
        group.append(entry)
        size += file_size
    if group:
        yield group
