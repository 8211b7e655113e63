"""A snapshot is the catalogue of one moment, taken while it is written."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from alembic.script import ScriptDirectory

from tests.upload_service.conftest import House, jpeg
from upload_service.database import migrations
from upload_service.dump import dump
from upload_service.snapshot import drop_snapshots, snapshot
from viewfinder.v1 import catalog_pb2


def newest_schema() -> str | None:
    return ScriptDirectory.from_config(migrations()).get_current_head()


def catalogue_of(house: House) -> Path:
    return house.folder / "catalogue" / "catalogue.sqlite"


async def test_what_was_acknowledged_before_is_in_it(house: House, tmp_path: Path) -> None:
    taken = [await house.take(jpeg(seed)) for seed in range(3)]
    copy = tmp_path / "copy.sqlite"
    with house.catalog.snapshot() as of_now:
        copy.write_bytes(b"".join(of_now.chunks()))
        listed = [one for some in of_now.originals() for one in some]
        assert (of_now.images, of_now.schema) == (3, newest_schema())
    assert [one.blob_key for one in listed] == [one.image.blob_key for one in taken]
    assert [one.size_bytes for one in listed] == [one.image.size_bytes for one in taken]
    with closing(sqlite3.connect(copy)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("SELECT count(*) FROM images").fetchone() == (3,)


async def test_the_writer_goes_on_while_it_is_read(house: House) -> None:
    await house.take(jpeg(1))
    with house.catalog.snapshot() as of_now:
        await house.take(jpeg(2))
        assert [len(some) for some in of_now.originals()] == [1]
    assert house.catalog.stats().total == 2


async def test_what_is_being_deleted_is_not_listed(house: House) -> None:
    taken = await house.take(jpeg(1))
    house.catalog.mark_deleting(taken.image.id)
    with house.catalog.snapshot() as of_now:
        assert list(of_now.originals()) == []
        assert of_now.images == 0


async def test_it_leaves_nothing_behind(house: House) -> None:
    before = sorted(catalogue_of(house).parent.iterdir())
    parts = dump(house.catalog.snapshot())
    assert (await anext(parts)).head.size_bytes > 0
    await parts.aclose()
    assert sorted(catalogue_of(house).parent.iterdir()) == before


async def test_what_a_killed_process_left_is_removed_at_start(house: House) -> None:
    left = catalogue_of(house).with_name("snapshot-0123.sqlite-journal")
    left.touch()
    drop_snapshots(catalogue_of(house))
    assert not left.exists()
    assert catalogue_of(house).exists()


async def test_a_snapshot_under_load_is_whole(house: House) -> None:
    await house.take(jpeg(1))
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            house.catalog.update(image_id, [str(number)], None)

    image_id = house.catalog.page(1, "", [], []).images[0].id
    writing = threading.Thread(target=write)
    writing.start()
    try:
        for _ in range(5):
            with snapshot(catalogue_of(house)) as of_now:
                assert of_now.images == 1
    finally:
        stop.set()
        writing.join()


async def test_over_the_wire_come_head_database_and_originals(house: House) -> None:
    await house.take(jpeg(1))
    messages: list[catalog_pb2.DumpCatalogueResponse] = [
        message async for message in dump(house.catalog.snapshot())
    ]
    kinds = [message.WhichOneof("part") for message in messages]
    assert kinds[0] == "head"
    assert kinds[-1] == "originals"
    assert sum(len(message.chunk) for message in messages) == messages[0].head.size_bytes
