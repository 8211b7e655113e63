"""`python -m upload_service.restoring BACKUP LEFT_OUT`: catalogue and originals of a verified
backup into an empty data folder, while no service runs there.

Writes the ids that are not to be restored into the index to LEFT_OUT, one a line; prints lines of
JSON: {"bytes": n} as it goes on, at the end {"healed": ...}. Exit status 2 and one line when the
catalogue cannot be taken over.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory

from upload_service.database import Writer, migrations, open_catalogue
from upload_service.healing import Healed, Healing, StoredVectors
from upload_service.settings import UploadSettings
from viewfinder.backup.archive_reader import ArchiveReader
from viewfinder.backup.layout import BackupDamagedError, BackupNotReadableError
from viewfinder.blobs import OriginalStore, storage_full
from viewfinder.errors import StorageFull, ViewfinderError
from viewfinder.settings import load_settings


def restore(archive: ArchiveReader, settings: UploadSettings, left_out: Path) -> Healed:
    """Everything is durable when it returns.

    Raises:
        BackupNotReadableError: a newer version made the catalogue.
        BackupDamagedError: the catalogue is no whole database.
        StorageFull: there is no room.
    """
    _check_schema(archive.manifest.schema)
    try:
        _write_catalogue(archive, settings.catalogue_file)
        _write_originals(archive, settings.originals_dir)
        writer = Writer(open_catalogue(settings.catalogue_file))
        with left_out.open("w") as ids:
            healing = Healing(writer, time.time, lambda one: print(one, file=ids))
            try:
                healed = healing.heal(_stored(archive))
            finally:
                writer.close()
    except OSError as error:
        raise storage_full(error, settings.data_dir) or error from error
    os.sync()  # once for all of them; a file at a time takes hours for many originals
    return healed


def _stored(archive: ArchiveReader) -> Iterator[StoredVectors]:
    for number, collection in enumerate(archive.manifest.collections):
        points = (point for part in archive.points(number) for point in part)
        yield StoredVectors(collection.encoder, collection.active, points)


def _check_schema(schema: str) -> None:
    known = {
        script.revision for script in ScriptDirectory.from_config(migrations()).walk_revisions()
    }
    if schema not in known:
        raise BackupNotReadableError(
            f"The catalogue in it has tables of version {schema[:50]!r}, which this version of"
            " Viewfinder does not know; restore it with the version that made it, or a newer one"
        )


def _write_catalogue(archive: ArchiveReader, file: Path) -> None:
    file.parent.mkdir(mode=0o700, parents=True)
    with file.open("wb") as out:
        for chunk in archive.catalogue():
            out.write(chunk)
            _say(bytes=len(chunk))
    try:
        with closing(sqlite3.connect(file)) as database:
            found = database.execute("PRAGMA integrity_check(1)").fetchone()[0]
            schema = database.execute("SELECT version_num FROM alembic_version").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise BackupDamagedError(f"The catalogue in it cannot be read: {error}") from error
    if found != "ok" or schema != archive.manifest.schema:
        raise BackupDamagedError(f"The catalogue in it is damaged: {found}")


def _write_originals(archive: ArchiveReader, folder: Path) -> None:
    if not archive.manifest.has_originals:
        return
    store = OriginalStore.in_folder(folder)
    for key, content in archive.original_files():
        path = store.local_path(key)
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as out:
            for chunk in content:
                out.write(chunk)
                _say(bytes=len(chunk))


def _say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def main() -> None:
    """See the module."""
    settings = load_settings(UploadSettings)
    try:
        with ArchiveReader(Path(sys.argv[1])) as archive:
            archive.read_index()
            _say(healed=asdict(restore(archive, settings, Path(sys.argv[2]))))
    except (BackupDamagedError, BackupNotReadableError) as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    except (StorageFull, ViewfinderError) as error:
        print(error.message, file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
