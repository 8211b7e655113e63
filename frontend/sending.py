"""Files on their way from this page's server to the gateway, in a thread of their own.

The page stays usable meanwhile, and a closed tab loses no picture. One thread writes, the page
only reads, and every attribute is replaced as a whole.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from frontend import markup
from viewfinder.api_models import Job
from viewfinder.client import Client, FileToUpload
from viewfinder.errors import PasswordRequired, ViewfinderError, WrongPassword
from viewfinder.ids import new_id

_FILES_A_REQUEST = 8
_LOCKED = (PasswordRequired.code, WrongPassword.code)
_SENT_SHARE = 0.5
"""Of the progress bar, for sending; the rest is for being indexed."""


class DroppedFile(Protocol):
    """What Streamlit makes of a dropped file."""

    name: str

    def getvalue(self) -> bytes:
        """All of it."""


@dataclass(frozen=True)
class LockedFile:
    """A PDF that was refused because its password is not known."""

    file: DroppedFile
    was_wrong: bool


class Sending:
    """The files of one drop: sent, then watched until all of them are searchable."""

    def __init__(
        self,
        client: Client,
        files: Sequence[DroppedFile],
        tags: Sequence[str],
        *,
        describe: bool = False,
    ) -> None:
        self._client = client
        self._waiting = list(files)
        self._tags = list(tags)
        self._describe = describe
        self._password = ""
        self._job_id = new_id()
        self._thread: threading.Thread | None = None
        self.total = len(files)
        self.accepted = 0
        self.documents = 0
        self.known = 0
        self.job: Job | None = None
        self.refused: list[str] = []
        self.locked: list[LockedFile] = []
        self.error: ViewfinderError | None = None

    def start(self) -> None:
        """Send what has not been sent, once more after an error."""
        self.error = None
        self._thread = threading.Thread(target=self._run, name="sending", daemon=True)
        self._thread.start()

    def unlock(self, locked: LockedFile, password: str) -> None:
        """Send this one again, with its password. Not while something of it is under way."""
        self.locked = [one for one in self.locked if one is not locked]
        self._waiting = [locked.file]
        self._password = password
        self.start()

    def wait(self, timeout_s: float) -> None:
        """Until it has ended or failed."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    @property
    def runs(self) -> bool:
        """Whether something is still to come."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def searchable(self) -> int:
        """Pictures and pages of this drop that can be found."""
        return self.job.indexed if self.job else 0

    @property
    def unsent(self) -> int:
        """Files that the gateway has not answered for."""
        return len(self._waiting)

    @property
    def share(self) -> float:
        """How far it has come, 0 to 1."""
        sent = 1 - self.unsent / self.total
        indexed = (self.job.total - self.job.stored) / max(1, self.job.total) if self.job else 0.0
        return _SENT_SHARE * sent + (1 - _SENT_SHARE) * indexed

    @property
    def summary(self) -> str:
        """One line about it."""
        if self.unsent:
            return f"Sending {markup.files(self.total)}: {self.total - self.unsent} sent"
        return f"{self.searchable:,} of {self.counted(self.job_total)} searchable"

    @property
    def job_total(self) -> int:
        """Pictures and pages that were taken."""
        return self.job.total if self.job else self.accepted

    def counted(self, count: int) -> str:
        """So many of what this drop is made of."""
        if not self.documents:
            return markup.pictures(count)
        is_mixed = self.documents < self.accepted
        return f"{count:,} pictures and pages" if is_mixed else markup.pages(count)

    def _run(self) -> None:
        try:
            while self._waiting:
                self._send(self._waiting[:_FILES_A_REQUEST])
                self._waiting = self._waiting[_FILES_A_REQUEST:]
            if self.accepted:
                for job in self._client.watch_job(self._job_id):
                    self.job = job
        except ViewfinderError as error:
            self.error = error

    def _send(self, files: Sequence[DroppedFile]) -> None:
        answer = self._client.upload(
            [FileToUpload(file.getvalue(), file_name=file.name) for file in files],
            tags=self._tags,
            job_id=self._job_id,
            password=self._password,
            describe=self._describe,
        )
        self.accepted += len(answer.images)
        self.documents += sum(bool(image.pages) for image in answer.images)
        self.known += sum(image.duplicate for image in answer.images)
        sent = list(files)
        for rejected in answer.rejected:
            file = next((one for one in sent if one.name == rejected.file_name), None)
            if file is not None:
                sent.remove(file)
            if file is not None and rejected.error.code in _LOCKED:
                locked = LockedFile(file, rejected.error.code == WrongPassword.code)
                self.locked = [*self.locked, locked]
            else:
                reason = _named(rejected.file_name, rejected.error.detail)
                self.refused = [*self.refused, reason]

    @property
    def not_added(self) -> list[str]:
        """Files that cannot be searched for, each with its reason."""
        failures = self.job.failures if self.job else []
        return self.refused + [_named(failure.file_name, failure.reason) for failure in failures]


def _named(file_name: str, reason: str) -> str:
    return reason if file_name in reason else f"{file_name}: {reason}"
