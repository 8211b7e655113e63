"""A backup is whole, or it is refused."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from viewfinder.backup.archive_reader import ArchiveReader
from viewfinder.backup.archive_writer import ArchiveWriter, OriginalUnreadableError
from viewfinder.backup.layout import (
    CATALOGUE,
    FORMAT,
    HEAD,
    MISSING,
    ORIGINALS,
    BackupDamagedError,
    BackupNotReadableError,
    CollectionEntry,
    Manifest,
    collection_name,
    points_name,
    vectors_name,
)

SPEC = {"name": "mini", "revision": "r", "kind": "dense", "dim": 3, "pixels": {}}
PICTURES = [b"one picture", b"another", b"a third" * 30]
VECTORS = np.arange(9, dtype=np.float32).reshape(3, 3)


def key_of(content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    return f"{digest[:2]}/{digest}.jpg"


def entry_of(content: bytes) -> dict[str, object]:
    return {
        "blob_key": key_of(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_bytes": len(content),
    }


def write(folder: Path, format_: int = FORMAT, stored: list[bytes] = PICTURES) -> Path:
    """A small backup with everything that may be in one."""
    path = folder / "b.tar"
    lines = [json.dumps(entry_of(content)).encode() + b"\n" for content in PICTURES]
    points = [{"id": f"id-{n}", "words": None, "payload": {"n": n}} for n in range(3)]
    vectors = io.BytesIO()
    np.save(vectors, VECTORS)
    with path.open("w+b") as file:
        writer = ArchiveWriter(file, 0)
        writer.add_json(HEAD, {"format": format_, "version": "9.9"})
        writer.add(CATALOGUE, b"SQLite" * 30)
        writer.add(ORIGINALS, b"".join(lines))
        writer.add_json(collection_name(0), {"spec": SPEC, "active": True})
        writer.add(points_name(0, 0), b"".join(json.dumps(p).encode() + b"\n" for p in points))
        writer.add(vectors_name(0, 0), vectors.getvalue())
        for content in stored:
            source = folder / "picture"
            source.write_bytes(content)
            entry = entry_of(content)
            writer.add_original(source, key_of(content), str(entry["sha256"]), len(content))
        writer.add(MISSING, b"")
        writer.finish(
            Manifest(
                schema="0002",
                catalogue_bytes=180,
                images=3,
                originals=3,
                originals_bytes=sum(map(len, PICTURES)),
                has_originals=True,
                missing=0,
                collections=[CollectionEntry(SPEC, True, points=3, parts=1)],
            )
        )
    return path


def verify(path: Path) -> Manifest:
    with ArchiveReader(path) as archive:
        return archive.verify()


def test_what_was_written_is_read(tmp_path: Path) -> None:
    with ArchiveReader(write(tmp_path)) as archive:
        manifest = archive.verify()
        assert manifest.images == 3
        assert b"".join(archive.catalogue()) == b"SQLite" * 30
        assert [entry["blob_key"] for entry in archive.originals()] == [*map(key_of, PICTURES)]
        files = {key: b"".join(content) for key, content in archive.original_files()}
        assert files == {key_of(content): content for content in PICTURES}
        (part,) = archive.parts(0)
        assert [point["payload"] for point in part.points] == [{"n": 0}, {"n": 1}, {"n": 2}]
        assert (part.vectors == VECTORS).all()


def test_any_tar_reads_it(tmp_path: Path) -> None:
    with tarfile.open(write(tmp_path)) as tar:
        names = tar.getnames()
        file = tar.extractfile("SHA256SUMS")
        assert file is not None
        sums = dict(line.split("  ")[::-1] for line in file.read().decode().splitlines())
        for name, digest in sums.items():
            member = tar.extractfile(name)
            assert member is not None
            assert hashlib.sha256(member.read()).hexdigest() == digest
    assert names[0] == HEAD
    assert names[-1] == "SHA256SUMS"


def test_it_is_refused_wherever_it_is_cut_off(tmp_path: Path) -> None:
    whole = write(tmp_path).read_bytes()
    path = tmp_path / "cut.tar"
    for length in {*range(0, len(whole), 512), *range(len(whole) - 1100, len(whole), 50)}:
        path.write_bytes(whole[:length])
        with pytest.raises(BackupDamagedError):
            verify(path)


def test_it_is_refused_whatever_bit_is_wrong(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = path.read_bytes()
    with tarfile.open(path) as tar:
        content = {
            position
            for member in tar
            for position in range(member.offset_data, member.offset_data + member.size, 11)
        }
        headers = {member.offset + at for member in tar for at in range(0, 145, 9)}
    for position in content | headers:
        damaged = bytearray(whole)
        damaged[position] ^= 4
        path.write_bytes(damaged)
        with pytest.raises(BackupDamagedError):
            verify(path)


def test_what_follows_its_end_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(BackupDamagedError):
        verify(path)


def test_an_original_that_is_missing_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(BackupDamagedError, match="not all of its originals"):
        verify(write(tmp_path, stored=PICTURES[:2]))


def test_an_original_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackupDamagedError, match="not in its list"):
        verify(write(tmp_path, stored=[*PICTURES[:2], b"a stranger"]))


def test_a_newer_format_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BackupNotReadableError, match=r"format 2, made by Viewfinder 9\.9"):
        verify(write(tmp_path, format_=2))


@pytest.mark.parametrize("content", [b"", b"x" * 5000, b"\0" * 5000])
def test_another_file_is_no_backup(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(BackupDamagedError, match="is no backup"):
        verify(path)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../outside", tarfile.REGTYPE),
        ("/etc/passwd", tarfile.REGTYPE),
        ("originals/../../x", tarfile.REGTYPE),
        ("originals/ab/../../../x.jpg", tarfile.REGTYPE),
        ("catalogue.sqlite", tarfile.SYMTYPE),
        (key_of(b"x"), tarfile.LNKTYPE),
        ("collections/0/", tarfile.DIRTYPE),
    ],
)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str, kind: bytes) -> None:
    path = tmp_path / "evil.tar"
    with tarfile.open(path, "w") as tar:
        head = json.dumps({"format": FORMAT}).encode()
        info = tarfile.TarInfo(HEAD)
        info.size = len(head)
        tar.addfile(info, io.BytesIO(head))
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "/etc/passwd"
        tar.addfile(info)
    with pytest.raises(BackupDamagedError, match="does not belong"):
        verify(path)


def test_an_original_that_is_not_what_was_uploaded_is_left_out(tmp_path: Path) -> None:
    source = tmp_path / "picture"
    source.write_bytes(b"rotten")
    with (tmp_path / "b.tar").open("w+b") as file:
        writer = ArchiveWriter(file, 0)
        with pytest.raises(OriginalUnreadableError, match="damaged"):
            writer.add_original(source, key_of(b"better"), hashlib.sha256(b"better").hexdigest(), 6)
        with pytest.raises(OriginalUnreadableError, match="missing"):
            writer.add_original(tmp_path / "nowhere", key_of(b"x"), "0" * 64, 1)
        assert file.tell() == 0
