import asyncio
import errno
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.upload_service.conftest import MAX_BYTES, House, jpeg
from upload_service.intake import Header, displayable_name
from viewfinder.errors import (
    BrokenImage,
    EmptyFile,
    FileTooLarge,
    ImageTooLarge,
    InvalidRequest,
    MetadataTooLarge,
    StorageFull,
    UnsupportedMediaType,
    ViewfinderError,
)


async def test_an_upload_leaves_its_bytes_and_a_row(house: House) -> None:
    content = jpeg()
    taken = await house.take(content, "cat.jpg", tags=["pets"])
    digest = hashlib.sha256(content).hexdigest()
    assert taken.image.id.replace("-", "") == digest[:32]
    assert taken.image.state == "stored"
    assert (taken.image.width, taken.image.height) == (40, 30)
    assert house.files() == [f"{digest[:2]}/{digest}.jpg"]
    assert house.originals.local_path(taken.image.blob_key).read_bytes() == content


async def test_fifty_at_once_of_the_same_bytes_are_one(house: House) -> None:
    content = jpeg()
    taken = await asyncio.gather(*(house.take(content) for _ in range(50)))
    assert len({each.image.id for each in taken}) == 1
    assert [each.duplicate for each in taken].count(False) == 1
    assert len(house.files()) == 1
    assert house.catalog.page(10, "", [], []).total == 1


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", EmptyFile),
        (b"just text in a .jpg", UnsupportedMediaType),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', UnsupportedMediaType),
        (b"%PDF-1.7 " + b"0" * 100, BrokenImage),
        (jpeg()[:60], BrokenImage),
        (jpeg(size=(1200, 1000)), ImageTooLarge),
        (b"\xff\xd8\xff" + b"0" * MAX_BYTES, FileTooLarge),
    ],
)
async def test_what_is_refused_leaves_nothing(
    house: House, content: bytes, error: type[ViewfinderError]
) -> None:
    with pytest.raises(error):
        await house.take(content)
    assert house.files() == []
    assert house.catalog.page(10, "", [], []).total == 0


async def test_an_upload_that_breaks_off_leaves_nothing(house: House) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield jpeg()
        raise ConnectionResetError("the client went away")

    with pytest.raises(ConnectionResetError):
        await house.intake.take(Header("a.jpg"), broken())
    assert house.files() == []


async def test_too_many_bytes_are_noticed_before_all_have_come(house: House) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 100_000
            yield bytes(100_000)

    with pytest.raises(FileTooLarge):
        await house.intake.take(Header("a.jpg"), endless())
    assert sent <= MAX_BYTES + 100_000


async def test_a_full_disk_is_said_and_nothing_half_written_stays(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(temporary: Path, key: str) -> None:
        raise StorageFull(where="originals", reason="No space left on device")

    await house.take(jpeg(1))
    monkeypatch.setattr(house.originals, "keep", full)
    with pytest.raises(StorageFull):
        await house.take(jpeg(2))
    assert len(house.files()) == 1
    assert house.catalog.page(10, "", [], []).total == 1


async def test_a_disk_that_fills_while_bytes_come_is_said(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk:
        def __call__(self, *arguments: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("upload_service.intake.os.fsync", FullDisk())
    with pytest.raises(StorageFull):
        await house.take(jpeg())
    assert house.files() == []


async def test_a_failed_picture_sent_again_gets_another_try(house: House) -> None:
    taken = await house.take(jpeg())
    house.claims.claim("job", 32, 60)
    from upload_service.work import Outcome, Result

    house.claims.report("job", [Result(taken.image.id, Outcome.FAILED, "broken")])
    again = await house.take(jpeg())
    assert again.duplicate
    assert again.image.state == "stored"


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\pictures\\cat.jpg", "cat.jpg"),
        ("", "picture"),
        ("..", "picture"),
        ("a\x00b\n.jpg", "ab.jpg"),
        ("gpj.\u202eexe", "gpj.exe"),
        ("x" * 300 + ".jpg", "x" * 255),
        ("Käse 🧀.png", "Käse 🧀.png"),
    ],
)
def test_a_name_is_only_ever_shown(sent: str, shown: str) -> None:
    assert displayable_name(sent) == shown


async def test_a_path_in_the_name_never_leaves_the_store(house: House, tmp_path: Path) -> None:
    before = set(tmp_path.parent.iterdir())
    await house.take(jpeg(), "../../../outside.jpg")
    assert set(tmp_path.parent.iterdir()) == before


@pytest.mark.parametrize(
    "header",
    [
        {"tags": [f"t{number}" for number in range(101)]},
        {"tags": ["x" * 101]},
        {"metadata": {"note": "x" * 1000}},
    ],
)
async def test_too_much_metadata_is_refused(house: House, header: dict[str, object]) -> None:
    with pytest.raises(MetadataTooLarge):
        await house.take(jpeg(), **header)


async def test_a_job_id_is_a_uuid(house: House) -> None:
    with pytest.raises(InvalidRequest):
        await house.take(jpeg(), job_id="../x")
