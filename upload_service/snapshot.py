"""The catalogue as it is at one moment, copied while it is written: for a backup."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from upload_service.database import CANNOT_WRITE
from upload_service.encoder_rows import ACTIVE
from upload_service.states import DELETING
from viewfinder.errors import StorageFull

_PREFIX = "snapshot-"
_CHUNK_BYTES = 1 << 20
_ENTRIES_AT_ONCE = 1000


@dataclass(frozen=True)
class Original:
    """An original that the catalogue names."""

    blob_key: str
    sha256: str
    size_bytes: int


class Snapshot:
    """A whole, consistent copy in a file of its own, which has no name any more."""

    def __init__(self, file: BinaryIO, database: sqlite3.Connection) -> None:
        self._file = file
        self._database = database
        self.size_bytes = file.seek(0, 2)
        self.schema = str(self._one("SELECT version_num FROM alembic_version"))
        self.images = int(self._one("SELECT count(*) FROM images WHERE state != ?", DELETING))
        self.originals_bytes = int(
            self._one("SELECT coalesce(sum(size_bytes), 0) FROM images WHERE state != ?", DELETING)
        )
        active = self._one("SELECT max(spec) FROM encoders WHERE role = ?", ACTIVE)
        self.active: dict[str, Any] | None = None if active is None else json.loads(active)

    def chunks(self) -> Iterator[bytes]:
        """The database."""
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK_BYTES):
            yield chunk

    def originals(self) -> Iterator[list[Original]]:
        """What is to be in the store of originals; what is being deleted is left out."""
        rows = self._database.execute(
            "SELECT blob_key, sha256, size_bytes FROM images"
            " WHERE state != ? AND document_id IS NULL"  # a page's bytes are its document's
            " GROUP BY blob_key ORDER BY min(seq)",
            (DELETING,),
        )
        while some := rows.fetchmany(_ENTRIES_AT_ONCE):
            yield [Original(*row) for row in some]

    def _one(self, question: str, *values: str) -> Any:
        return self._database.execute(question, values).fetchone()[0]


@contextmanager
def snapshot(catalogue: Path) -> Iterator[Snapshot]:
    """A copy by SQLite's backup API: everything committed before the call is in it. Readers and the
    writer go on meanwhile. Blocking.

    Raises:
        StorageFull: there is no room for it.
    """
    path = catalogue.with_name(f"{_PREFIX}{uuid.uuid4().hex}.sqlite")
    try:
        with (
            closing(sqlite3.connect(catalogue, check_same_thread=False)) as source,
            closing(sqlite3.connect(path, check_same_thread=False)) as copy,
        ):
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one plain file, no log beside it
            with path.open("rb") as file:
                path.unlink()  # whatever happens from now on, nothing is left behind
                yield Snapshot(file, copy)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in CANNOT_WRITE:
            raise StorageFull(where=str(path.parent), reason=str(error)) from error
        raise
    finally:
        path.unlink(missing_ok=True)


def drop_snapshots(catalogue: Path) -> None:
    """Remove what a killed process left. Only at start."""
    for path in catalogue.parent.glob(f"{_PREFIX}*"):
        path.unlink(missing_ok=True)
