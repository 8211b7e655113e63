"""The catalogue of a backup becomes that of a data folder, or is refused."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import create_engine

from tests.upload_service.conftest import House, jpeg
from upload_service.database import migrations
from viewfinder.backup.archive_writer import ArchiveWriter
from viewfinder.backup.layout import CATALOGUE, FORMAT, HEAD, ORIGINALS, Manifest


def backup_of(catalogue: bytes, schema: str, path: Path) -> Path:
    with path.open("w+b") as file:
        writer = ArchiveWriter(file, 0)
        writer.add_json(HEAD, {"format": FORMAT})
        writer.add(CATALOGUE, catalogue)
        writer.add(ORIGINALS, b"")
        writer.finish(Manifest(schema=schema, catalogue_bytes=len(catalogue), images=0))
    return path


def restore(
    backup: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> subprocess.CompletedProcess[str]:
    monkeypatch.setenv("VIEWFINDER_DATA_DIR", str(data_dir))
    data_dir.mkdir(exist_ok=True)
    return subprocess.run(
        [
            sys.executable,
            *("-P", "-m", "upload_service.restoring", str(backup), str(data_dir / "left-out")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def catalogue_at(schema: str, path: Path) -> bytes:
    """An empty catalogue as an older version left it."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        config = migrations()
        config.attributes["connection"] = connection
        command.upgrade(config, schema)
    engine.dispose()
    return path.read_bytes()


async def test_pictures_are_there_again(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = await house.take(jpeg(1))
    with house.catalog.snapshot() as of_now:
        backup = backup_of(b"".join(of_now.chunks()), of_now.schema, tmp_path / "b.tar")
    ran = restore(backup, tmp_path / "new", monkeypatch)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1])["healed"]["to_embed"] == 0
    with closing(sqlite3.connect(tmp_path / "new/catalogue/catalogue.sqlite")) as database:
        assert database.execute("SELECT id, state FROM images").fetchall() == [
            (taken.image.id, "stored")
        ]


def test_a_catalogue_of_an_older_version_is_brought_to_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = backup_of(catalogue_at("0001", tmp_path / "old"), "0001", tmp_path / "b.tar")
    ran = restore(backup, tmp_path / "new", monkeypatch)
    assert ran.returncode == 0, ran.stderr
    with closing(sqlite3.connect(tmp_path / "new/catalogue/catalogue.sqlite")) as database:
        database.execute("SELECT count(*) FROM image_vectors").fetchone()


def test_a_catalogue_of_a_newer_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = restore(backup_of(b"", "9999", tmp_path / "b.tar"), tmp_path / "new", monkeypatch)
    assert ran.returncode == 2
    assert "'9999', which this version of Viewfinder does not know" in ran.stderr
    assert not (tmp_path / "new/catalogue").exists()


@pytest.mark.parametrize("harm", ["no database", "torn"])
def test_a_catalogue_that_is_damaged_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    whole = catalogue_at("0002", tmp_path / "old")
    content = b"x" * 9000 if harm == "no database" else whole[:8192] + b"\1" * (len(whole) - 8192)
    ran = restore(backup_of(content, "0002", tmp_path / "b.tar"), tmp_path / "new", monkeypatch)
    assert ran.returncode == 2
    assert "catalogue" in ran.stderr
    assert "Traceback" not in ran.stderr
