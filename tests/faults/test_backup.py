"""Backups are made while everything goes on, and restored whole or not at all."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.embedding_service.tiny_store import TINY_ID, tiny_store
from tests.end_to_end.conftest import Stack
from tests.faults.own_stack import (
    kill_when,
    noise_pictures,
    start,
    wait_until_indexed,
    wait_until_ready,
)
from tests.search_service.engines import quiet_local_mode
from tests.search_service.qdrant_protocol_stub import QdrantStub
from viewfinder.backup.archive_reader import ArchiveReader
from viewfinder.client import FileToUpload
from viewfinder.errors import ImageNotFound, ViewfinderError
from viewfinder.ids import new_id

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow,  # starts all services, several times
    pytest.mark.timeout(400),
]

PICTURES = 40
PATIENCE_S = 90
LARGE_BYTES = 20_000_000


@pytest.fixture
def library(own_stack: Stack) -> Stack:
    """A Viewfinder with pictures."""
    upload(own_stack, PICTURES)
    return own_stack


def upload(stack: Stack, count: int) -> list[str]:
    job_id = new_id()
    accepted = stack.client.upload(noise_pictures(count), job_id=job_id, tags=["before"])
    wait_until_indexed(stack, job_id, count)
    return [image.id for image in accepted.images]


def run(stack: Stack, *arguments: str) -> str:
    ran = stack.viewfinder(*arguments)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def up(stack: Stack) -> None:
    run(stack, "up", "--detach", "--no-frontend")


def found(stack: Stack) -> list[tuple[str, float]]:
    return [(hit.id, hit.score) for hit in stack.client.search("noise", top_k=50).results]


def backup_of(stack: Stack, name: str, *options: str) -> Path:
    assert stack.data_dir is not None
    path = stack.data_dir.parent / name
    run(stack, "backup", str(path), *options)
    return path


def wait_until_nothing_waits(stack: Stack) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if set(stack.client.stats().catalogue.by_state) <= {"indexed"}:
            return
        time.sleep(0.2)
    raise AssertionError(f"something still waits: {stack.client.stats().catalogue.by_state}")


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def content(data_dir: Path) -> list[str]:
    """What a restore or backup might leave; the rest comes and goes with the services."""
    passing = {"logs", "run", "renditions", "queue", "manifests", "models"}
    return sorted(path.name for path in data_dir.iterdir() if path.name not in passing)


def test_a_restored_viewfinder_answers_as_before_somewhere_else(
    library: Stack, tmp_path: Path
) -> None:
    assert library.data_dir is not None
    tiny_store(library.data_dir / "models")
    library.client.start_reindex(TINY_ID)
    deadline = time.monotonic() + PATIENCE_S
    while library.client.reindex().state != "idle" and time.monotonic() < deadline:
        time.sleep(0.2)
    before = found(library)
    path = backup_of(library, "b.tar", "--with-originals")
    with ArchiveReader(path) as archive:
        collections = archive.verify().collections
    assert [(one.spec["name"], one.active, one.points) for one in collections] == [
        (TINY_ID, True, PICTURES),
        ("mini", False, PICTURES),
    ]
    run(library, "down")
    shutil.rmtree(library.data_dir)  # another machine
    library.data_dir.mkdir()
    tiny_store(library.data_dir / "models")
    run(library, "restore", str(path))
    up(library)
    assert found(library) == before
    hit = library.client.image(before[0][0])
    assert library.client.content(hit.id, width=256)
    run(library, "reindex", "--rollback")
    wait_until_nothing_waits(library)
    assert library.client.stats().collection.vectors_count == PICTURES


def test_what_was_acknowledged_before_a_backup_under_load_is_restored_and_the_rest_heals(
    library: Stack,
) -> None:
    assert library.data_dir is not None
    kept = upload(library, 20)
    stop = threading.Event()
    doomed = upload(library, 20)
    wrong: list[Exception] = []

    def write() -> None:
        try:
            while not stop.is_set():
                library.client.upload(noise_pictures(5))
                library.client.update(kept[0], tags=[new_id()])
                if doomed:
                    library.client.delete(doomed.pop())
        except ViewfinderError as error:
            wrong.append(error)

    writing = threading.Thread(target=write)
    writing.start()
    try:
        paths = [backup_of(library, f"{n}.tar", "--with-originals") for n in range(2)]
    finally:
        stop.set()
        writing.join()
    assert not wrong
    assert run(library, "backup", "--verify", str(paths[1]))
    run(library, "down")
    run(library, "restore", str(paths[1]), "--replace")
    up(library)
    deadline = time.monotonic() + PATIENCE_S
    waiting = {"stored", "queued", "deleting"}
    while waiting & set(library.client.stats().catalogue.by_state):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    stats = library.client.stats()
    assert stats.collection.vectors_count == stats.catalogue.by_state["indexed"]
    assert {library.client.image(one).state for one in kept} == {"indexed"}
    for hit in library.client.search("noise", top_k=100).results:
        assert library.client.image(hit.id).tags == hit.metadata.tags


def size_of(path: Path) -> int:
    """-1 where there is nothing."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1


def upload_a_large_one(stack: Stack) -> None:
    (file,) = noise_pictures(1)
    assert isinstance(file.source, bytes)
    content = file.source + bytes(LARGE_BYTES)  # a JPEG may be followed by anything
    accepted = stack.client.upload([FileToUpload(content, file_name="large.jpg")])
    wait_until_indexed(stack, accepted.job_id, 1)


def test_a_killed_backup_leaves_the_one_before_and_no_rubbish(library: Stack) -> None:
    assert library.data_dir is not None
    folder = library.data_dir.parent / "backups"
    folder.mkdir()
    path = folder / "b.tar"
    run(library, "backup", str(path))
    before = path.read_bytes()
    upload_a_large_one(library)
    had = content(library.data_dir)
    partial = path.with_name(".b.tar.partial")
    for size in (0, 1, LARGE_BYTES // 2):  # made, begun, half way
        partial.unlink(missing_ok=True)  # of the one killed before
        backup = start(library, "backup", str(path), "--with-originals")
        kill_when(backup, lambda least=size: size_of(partial) >= least)
        assert path.read_bytes() == before
    assert content(library.data_dir) == had
    assert names_in(library.data_dir / "catalogue") == [
        "catalogue.sqlite",
        "catalogue.sqlite-shm",
        "catalogue.sqlite-wal",
    ]
    run(library, "backup", str(folder))
    assert [name for name in names_in(folder) if name.endswith(".partial")] == []
    assert len(names_in(folder)) == 2


def test_a_restore_killed_at_any_moment_leaves_what_was_there(library: Stack) -> None:
    assert library.data_dir is not None
    path = backup_of(library, "b.tar", "--with-originals")
    upload(library, 5)
    run(library, "down")
    building = library.data_dir / "restoring" / "new"
    for made in ("", "originals", "catalogue/catalogue.sqlite-wal", "left-out", "index/edge"):
        restore = start(library, "restore", str(path), "--replace")
        kill_when(restore, lambda name=made: (building / name).exists())
    up(library)
    wait_until_ready(library)
    stats = library.client.stats()
    assert stats.catalogue.by_state == {"indexed": PICTURES + 5}
    assert stats.collection.vectors_count == PICTURES + 5
    assert content(library.data_dir) == ["catalogue", "index", "originals"]


@pytest.fixture
def qdrant_port() -> Iterator[int]:
    """Of what speaks Qdrant's protocol."""
    stub, loop, up_now = QdrantStub(), asyncio.new_event_loop(), threading.Event()

    def serve() -> None:
        with quiet_local_mode():
            loop.run_until_complete(stub.start())
            up_now.set()
            loop.run_forever()

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    assert up_now.wait(PATIENCE_S)
    yield stub.port
    asyncio.run_coroutine_threadsafe(stub.stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    serving.join()
    loop.close()


def test_a_laptop_moves_to_a_server_and_back(library: Stack, qdrant_port: int) -> None:
    before = found(library)
    path = backup_of(library, "b.tar")
    run(library, "down")
    server = {"QDRANT_HOST": "127.0.0.1", "QDRANT_GRPC_PORT": str(qdrant_port)}
    library.environment.update(server)
    run(library, "restore", str(path), "--replace")
    up(library)
    assert [one for one, _ in found(library)] == [one for one, _ in before]
    there = [score for _, score in found(library)]
    # Answers have six digits; another engine's arithmetic may round the last one the other way.
    assert there == pytest.approx([score for _, score in before], abs=1.5e-6)
    back = backup_of(library, "back.tar")
    run(library, "down")
    again = library.viewfinder("restore", str(path), "--replace")
    assert again.returncode == 1
    assert f"holds {PICTURES} vectors already" in again.stderr
    for name in server:
        del library.environment[name]
    run(library, "restore", str(back), "--replace")
    up(library)
    assert [one for one, _ in found(library)] == [one for one, _ in before]


def damaged(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5000])


def test_a_harmed_backup_is_refused_before_anything_is_touched(own_stack: Stack) -> None:
    assert own_stack.data_dir is not None
    upload(own_stack, 3)
    whole = backup_of(own_stack, "b.tar")
    run(own_stack, "down")
    for harm in (damaged, truncated):
        path = whole.with_name(f"{harm.__name__}.tar")
        shutil.copy(whole, path)
        harm(path)
        before = _changed_at(own_stack.data_dir)
        ran = own_stack.viewfinder("restore", str(path), "--replace")
        assert ran.returncode == 2
        assert "is damaged" in ran.stderr
        assert _changed_at(own_stack.data_dir) == before
        assert own_stack.viewfinder("backup", "--verify", str(path)).returncode == 2


def _changed_at(folder: Path) -> dict[str, int]:
    return {
        str(path): path.stat().st_mtime_ns for path in folder.glob("*/*") if path.name != "up.lock"
    }


def test_restoring_needs_the_stack_down_an_empty_folder_and_the_originals(own_stack: Stack) -> None:
    assert own_stack.data_dir is not None
    (image_id,) = upload(own_stack, 1)
    path = backup_of(own_stack, "b.tar")

    def refused(*options: str) -> str:
        ran = own_stack.viewfinder("restore", str(path), *options)
        assert ran.returncode == 2, ran.stdout + ran.stderr
        assert "Traceback" not in ran.stderr
        return ran.stderr

    assert "viewfinder down" in refused("--replace")
    run(own_stack, "down")
    assert "--replace" in refused()
    originals = own_stack.data_dir / "originals"
    (original,) = originals.glob("??/*")
    content = original.read_bytes()
    original.write_bytes(content[:-1])
    assert "has another size" in refused("--replace")
    original.write_bytes(content[:-1] + b"x")
    assert "is damaged" in refused("--replace", "--hash-originals")
    original.write_bytes(content)
    run(own_stack, "restore", str(path), "--replace", "--hash-originals")
    original.unlink()
    assert "--accept-missing" in refused("--replace")
    run(own_stack, "restore", str(path), "--replace", "--accept-missing")
    up(own_stack)
    assert own_stack.client.image(image_id).state == "indexed"
    assert [one for one, _ in found(own_stack)] == [image_id]
    own_stack.client.delete(image_id)
    with pytest.raises(ImageNotFound):
        own_stack.client.image(image_id)


def test_a_backup_of_a_stopped_viewfinder_leaves_it_stopped(own_stack: Stack) -> None:
    upload(own_stack, 2)
    run(own_stack, "down")
    path = backup_of(own_stack, "b.tar", "--with-originals")
    with ArchiveReader(path) as archive:
        assert archive.verify().originals == 2
    assert json.loads(own_stack.viewfinder("status", "--json").stdout)["ready"] is False
    up(own_stack)
    assert len(found(own_stack)) == 2


def test_vectors_of_an_encoder_that_is_not_here_are_named(own_stack: Stack) -> None:
    assert own_stack.data_dir is not None
    tiny_store(own_stack.data_dir / "models")
    upload(own_stack, 2)
    own_stack.client.start_reindex(TINY_ID)
    deadline = time.monotonic() + PATIENCE_S
    while own_stack.client.reindex().state != "idle" and time.monotonic() < deadline:
        time.sleep(0.2)
    path = backup_of(own_stack, "b.tar")
    run(own_stack, "down")
    shutil.rmtree(own_stack.data_dir / "models")
    said = run(own_stack, "restore", str(path), "--replace")
    assert TINY_ID in said
    assert "viewfinder models list" in said
    up(own_stack)
    with pytest.raises(ViewfinderError, match=TINY_ID):
        own_stack.client.search("noise")


def test_a_catalogue_of_a_newer_version_is_refused(own_stack: Stack) -> None:
    assert own_stack.data_dir is not None
    run(own_stack, "down")
    catalogue = own_stack.data_dir / "catalogue" / "catalogue.sqlite"
    path = backup_of(own_stack, "b.tar")
    with ArchiveReader(path) as archive:
        known = archive.verify().schema
    data = path.read_bytes()
    assert data.count(f'"schema": "{known}"'.encode()) == 1
    # What a newer version would write: the same length, other sums. Made by the real writer.
    with closing(sqlite3.connect(catalogue)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    ran = own_stack.viewfinder("backup", str(path.with_name("newer.tar")))
    assert ran.returncode == 1, "a service on a catalogue it does not know must not start"
    assert "9999" in ran.stderr
