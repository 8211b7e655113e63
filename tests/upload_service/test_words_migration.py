"""A catalogue of before pictures could be found by word."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import URL, create_engine, text

from tests.upload_service.conftest import Clock
from upload_service.claims import Claims
from upload_service.database import Writer, migrations, open_catalogue
from upload_service.reindexing import Reindexing
from upload_service.work import Claim, Outcome, Result


@pytest.fixture
def clock() -> Clock:
    return Clock()


def catalogue_of_before(file: Path) -> None:
    """Ten pictures as the version before had them: eight indexed, one failed, one waiting."""
    engine = create_engine(URL.create("sqlite", database=str(file)))
    with engine.connect() as connection:
        config = migrations()
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
    with engine.begin() as connection:
        for number in range(1, 11):
            state = {9: "failed", 10: "stored"}.get(number, "indexed")
            connection.execute(
                text(
                    "INSERT INTO images (seq, id, sha256, blob_key, state, failure, file_name,"
                    " file_path, media_type, size_bytes, width, height, tags, metadata, exif,"
                    " uploaded_at, version, indexed_version, work_due, lost_claims, retries)"
                    " VALUES (:seq, :id, '', '', :state, '', 'a.jpg', '', 'image/jpeg', 1, 1, 1,"
                    " '[]', '{}', '{}', 0, 1, 1, :due, 0, 0)"
                ),
                {
                    "seq": number,
                    "id": f"id-{number}",
                    "state": state,
                    "due": 0.0 if state == "stored" else None,
                },
            )
    engine.dispose()


@pytest.fixture
def claims(tmp_path: Path, clock: Clock) -> Iterator[Claims]:
    file = tmp_path / "catalogue.sqlite"
    catalogue_of_before(file)
    writer = Writer(open_catalogue(file))
    with sqlite3.connect(file) as connection:
        (clock.now,) = connection.execute("SELECT max(work_due) FROM images").fetchone()
    yield Claims(writer, Reindexing(writer, clock, share=1.0), lambda key: None, clock)
    writer.close()


def test_indexed_pictures_are_refreshed_and_not_embedded(claims: Claims) -> None:
    claim = claims.claim("job", 32, 60)
    assert sorted(row.id for row in claim.to_refresh) == [f"id-{n}" for n in range(1, 9)]
    assert [row.id for row in claim.to_index] == ["id-10"]


def test_new_pictures_do_not_wait_for_all_old_ones(claims: Claims, clock: Clock) -> None:
    clock.now -= 0.02
    claim = claims.claim("job", 32, 60)
    assert [row.id for row in claim.to_index] == ["id-10"]
    assert [row.id for row in claim.to_refresh] == ["id-8", "id-7", "id-6", "id-5"]


def test_what_a_killed_worker_left_is_done_by_the_next(claims: Claims, clock: Clock) -> None:
    first = claims.claim("killed", 4, 60)
    clock.now += 61
    rest = claims.claim("next", 32, 60)
    assert len(first.to_refresh) + len(first.to_index) == 4
    assert {row.id for row in rest.to_refresh} == {f"id-{n}" for n in range(1, 9)}


def test_once_refreshed_they_rest(claims: Claims, clock: Clock) -> None:
    claim = claims.claim("job", 32, 60)
    rows = [*claim.to_refresh, *claim.to_index]
    claims.report("job", [Result(row.id, Outcome.INDEXED, version=row.version) for row in rows])
    clock.now += 3600
    assert claims.claim("late", 32, 60) == Claim()
    assert not claims.due()
