"""A catalogue of before there were documents."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import URL, create_engine, text

from tests.upload_service.conftest import Clock
from upload_service.catalog import Catalog
from upload_service.claims import Claims
from upload_service.database import Writer, migrations, open_catalogue
from upload_service.reindexing import Reindexing
from upload_service.work import Offer, Outcome, Result


def catalogue_of_before(file: Path, pictures: int) -> None:
    """All indexed but the last, which waits; each tagged, in a job, with a vector."""
    engine = create_engine(URL.create("sqlite", database=str(file)))
    with engine.connect() as connection:
        config = migrations()
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        for number in range(1, pictures + 1):
            waits = number == pictures
            connection.execute(
                text(
                    "INSERT INTO images (seq, id, sha256, blob_key, state, failure, file_name,"
                    " file_path, media_type, size_bytes, width, height, tags, metadata, exif,"
                    " uploaded_at, version, indexed_version, work_due, lost_claims, retries)"
                    " VALUES (:seq, :id, '', '', :state, '', 'a.jpg', '', 'image/jpeg', 1, 1, 1,"
                    " '[\"cat\"]', '{}', '{}', 0, 1, 1, :due, 0, 0)"
                ),
                {
                    "seq": number,
                    "id": f"id-{number}",
                    "state": "stored" if waits else "indexed",
                    "due": 0.0 if waits else None,
                },
            )
            connection.execute(text("INSERT INTO image_tags VALUES ('cat', :n)"), {"n": number})
        connection.commit()
    engine.dispose()


def test_all_pictures_are_there_and_wait_to_be_read(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.sqlite"
    catalogue_of_before(file, 5)
    clock = Clock()
    engine = open_catalogue(file)
    writer = Writer(engine)
    clock.now = 2e9
    catalog = Catalog(engine, writer, 1000, clock)
    claims = Claims(writer, Reindexing(writer, clock, share=1.0), lambda key: None, clock)
    try:
        listed = catalog.page(50, "", (), ["cat"])
        assert [row.id for row in listed.images] == [f"id-{n}" for n in range(5, 0, -1)]
        assert {(row.kind, row.page, row.password) for row in listed.images} == {("picture", 0, "")}
        stats = catalog.stats()
        assert (stats.total, stats.documents, stats.pages, stats.to_read) == (5, 0, 0, 4)
        (waiting,) = claims.claim("job", 32, 60, Offer(reads=True)).to_index
        claims.report("job", [Result(waiting.id, Outcome.INDEXED, version=1)])
        to_read = claims.claim("job", 32, 60, Offer(reads=True)).to_read
        assert [row.id for row in to_read] == ["id-5", "id-4"]
    finally:
        writer.close()


def test_it_can_be_taken_back_and_forth(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.sqlite"
    catalogue_of_before(file, 3)
    open_catalogue(file).dispose()
    engine = create_engine(URL.create("sqlite", database=str(file)))
    with engine.connect() as connection:
        config = migrations()
        config.attributes["connection"] = connection
        command.downgrade(config, "0003")
    engine.dispose()
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT count(*) FROM images").fetchone() == (3,)
    open_catalogue(file).dispose()
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchone() == ("0006",)


@pytest.mark.filterwarnings("ignore:.*expression-based index")
def test_the_tables_are_those_of_the_models(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.sqlite"
    engine = open_catalogue(file)
    with engine.connect() as connection:
        config = migrations()
        config.attributes["connection"] = connection
        command.check(config)
    engine.dispose()
