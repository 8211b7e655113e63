"""The catalogue's database: opened, migrated, and written by one thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from viewfinder.blobs import storage_full
from viewfinder.errors import StorageFull

T = TypeVar("T")

_BUSY_TIMEOUT_MS = 10_000
CANNOT_WRITE = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
}


def open_catalogue(file: Path) -> Engine:
    """The engine of the SQLite catalogue in `file`, at the newest schema.

    WAL, so that readers never wait for the writer; FULL, so that what was acknowledged survives a
    power cut.

    Raises:
        StorageFull: the folder cannot be written.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise storage_full(error, file.parent) or error from error
    engine = create_engine(URL.create("sqlite", database=str(file)), pool_size=8, max_overflow=8)
    event.listen(engine, "connect", _prepare_connection)
    event.listen(engine, "begin", _begin)
    try:
        with engine.connect() as connection:
            migrate(connection)
    except DBAPIError as error:
        raise _cannot_write(error, str(file)) or error from error
    return engine


def migrate(connection: Connection) -> None:
    """Bring the schema to the newest version."""
    config = migrations()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def migrations() -> Config:
    """Where the versions of the schema are described."""
    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))  # an ini value
    return config


def _prepare_connection(connection: Any, _: object) -> None:
    # SQLAlchemy's events decide when a transaction begins, not the sqlite3 module.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    kind = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {kind}")


def _cannot_write(error: DBAPIError, where: str) -> StorageFull | None:
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF  # the primary code
    return StorageFull(where=where, reason=str(error.orig)) if code in CANNOT_WRITE else None


class Writer:
    """Runs all changes one after the other in a thread of its own, each in one transaction.

    SQLite has one writer anyway; a queue in front of it is fair and never "busy", and what belongs
    together (a blob and its row) cannot interleave with another change.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # A second process on the same file, such as one being replaced, waits its turn too.
        self._writing = engine.execution_options(sqlite_begin="IMMEDIATE")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="catalogue-writer")

    def write(self, change: Callable[[Session], T]) -> T:
        """The result of `change`, committed. Blocking; call it from any thread.

        Raises:
            StorageFull: the disk is full or fails; nothing of the change is kept.
        """
        return self._thread.submit(self._run, change).result()

    def _run(self, change: Callable[[Session], T]) -> T:
        try:
            with Session(self._writing, expire_on_commit=False) as session, session.begin():
                return change(session)
        except DBAPIError as error:
            raise _cannot_write(error, str(self._engine.url.database)) or error from error

    def read(self, question: Callable[[Session], T]) -> T:
        """The answer to `question`, without waiting for changes. Blocking."""
        with Session(self._engine) as session:
            return question(session)

    def close(self) -> None:
        """Finish what waits."""
        self._thread.shutdown()
        self._engine.dispose()
