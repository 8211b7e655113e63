"""Each rendition is made once, kept, and forgotten when told."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from PIL import Image

from image_service.content import ContentSource
from image_service.original import Original
from image_service.rendition_cache import RenditionCache, RenditionKey
from image_service.renditions import Renditions
from tests.hostile_files import encoded
from tests.hostile_pdfs import encrypted, one_page
from tests.image_service.conftest import Clock, CountingRenderer, Originals, Stored, whole
from viewfinder.errors import (
    BrokenImage,
    ImageNotFound,
    InvalidRequest,
    Overloaded,
    PasswordRequired,
)

KEY = RenditionKey(UUID(int=1), 64, "webp")


async def rendition(source: ContentSource, photo: Stored, width: int = 64) -> bytes:
    return await whole(
        await source.rendition(photo.image_id, Original(photo.blob_key), width, "webp")
    )


async def test_fifty_requests_at_once_make_one_render(
    source: ContentSource, photo: Stored, renderer: CountingRenderer
) -> None:
    renderer.gate.clear()
    requests = [asyncio.create_task(rendition(source, photo)) for _ in range(50)]
    await asyncio.sleep(0.1)
    renderer.gate.set()
    answers = await asyncio.gather(*requests)
    assert len(renderer.rendered) == 1
    assert len(answers) == 50
    assert len(set(answers)) == 1


async def test_who_gives_up_does_not_take_the_work_from_others(
    source: ContentSource, photo: Stored, renderer: CountingRenderer
) -> None:
    renderer.gate.clear()
    first, second = (asyncio.create_task(rendition(source, photo)) for _ in range(2))
    await asyncio.sleep(0.05)
    first.cancel()
    renderer.gate.set()
    assert (await second)[8:12] == b"WEBP"
    assert len(renderer.rendered) == 1


async def test_a_kept_rendition_is_not_made_again(
    source: ContentSource, photo: Stored, renderer: CountingRenderer
) -> None:
    assert await rendition(source, photo) == await rendition(source, photo)
    assert len(renderer.rendered) == 1


async def test_another_width_becomes_the_next_larger(
    source: ContentSource, photo: Stored, renderer: CountingRenderer
) -> None:
    widths = [
        Image.open(io.BytesIO(await rendition(source, photo, wanted))).width
        for wanted in (1, 65, 128, 5000)
    ]
    assert widths == [64, 128, 128, 320]
    assert len(renderer.rendered) == 3


@pytest.mark.parametrize(("width", "image_format"), [(0, "webp"), (64, "png"), (64, "../x")])
async def test_a_width_or_format_that_is_not_allowed_is_refused(
    source: ContentSource, photo: Stored, width: int, image_format: str
) -> None:
    with pytest.raises(InvalidRequest):
        await source.rendition(photo.image_id, Original(photo.blob_key), width, image_format)


async def test_every_rendition_has_a_strong_etag_of_its_own(
    source: ContentSource, photo: Stored
) -> None:
    wanted = [(64, "webp"), (128, "webp"), (64, "jpeg")]
    tags = {
        (await source.rendition(photo.image_id, Original(photo.blob_key), *what)).etag
        for what in wanted
    }
    assert len(tags) == 3
    again = await source.rendition(photo.image_id, Original(photo.blob_key), *wanted[0])
    assert again.etag in tags


async def test_a_dropped_rendition_is_gone_from_the_disk(
    source: ContentSource, photo: Stored, tmp_path: Path, cache: RenditionCache
) -> None:
    await rendition(source, photo)
    await source.drop_renditions([photo.image_id])
    assert not list((tmp_path / "renditions").glob("*/*"))
    assert cache.total_bytes == 0


async def test_dropping_reaches_what_is_being_made_just_now(
    source: ContentSource, photo: Stored, renderer: CountingRenderer, tmp_path: Path
) -> None:
    renderer.gate.clear()
    request = asyncio.create_task(rendition(source, photo))
    await asyncio.sleep(0.05)
    await source.drop_renditions([photo.image_id])
    renderer.gate.set()
    await request
    assert not list((tmp_path / "renditions").glob("*/*"))


async def test_no_original_is_no_image(source: ContentSource, photo: Stored) -> None:
    original = Original(f"ff/{'ff' * 32}.jpg")
    with pytest.raises(ImageNotFound):
        await source.rendition(photo.image_id, original, 64, "webp")


async def test_a_broken_original_is_decoded_once_a_minute(
    source: ContentSource, originals: Originals, renderer: CountingRenderer, clock: Clock
) -> None:
    broken = originals.add(encoded("JPEG")[:700])
    for _ in range(3):
        with pytest.raises(BrokenImage):
            await rendition(source, broken)
    assert len(renderer.rendered) == 1
    clock.now_s = 61.0
    with pytest.raises(BrokenImage):
        await rendition(source, broken)
    assert len(renderer.rendered) == 2


async def test_more_than_can_wait_are_refused(
    source: ContentSource,
    renditions: Renditions,
    originals: Originals,
    renderer: CountingRenderer,
) -> None:
    renderer.gate.clear()
    photos = [originals.add(encoded("JPEG", comment=b"%d" % index)) for index in range(101)]
    requests = [asyncio.create_task(rendition(source, photo)) for photo in photos[:100]]
    while renditions.in_flight < len(requests):
        await asyncio.sleep(0.01)
    with pytest.raises(Overloaded):
        await rendition(source, photos[100])
    renderer.gate.set()
    assert len(await asyncio.gather(*requests)) == 100


async def test_a_disk_that_cannot_be_written_still_serves(
    source: ContentSource, photo: Stored, tmp_path: Path, renderer: CountingRenderer
) -> None:
    (tmp_path / "renditions").write_text("a file where the folder should be")
    assert (await rendition(source, photo))[8:12] == b"WEBP"
    assert (await rendition(source, photo))[8:12] == b"WEBP"
    assert len(renderer.rendered) == 2


def test_the_longest_unused_goes_first(tmp_path: Path) -> None:
    cache = RenditionCache(tmp_path, 100)
    keys = [RenditionKey(UUID(int=number), 64, "webp") for number in range(4)]
    for key in keys[:3]:
        cache.put(key, bytes(30))
    cache.get(keys[0])
    cache.put(keys[3], bytes(30))
    assert [cache.get(key) is not None for key in keys] == [True, False, True, True]
    assert cache.total_bytes == 90


def test_a_restart_keeps_what_is_there_and_its_bound(tmp_path: Path) -> None:
    RenditionCache(tmp_path, 100).put(KEY, bytes(60))
    (tmp_path / "00" / "half.tmp").write_bytes(b"half written")
    cache = RenditionCache(tmp_path, 100)
    cache.load()
    assert cache.total_bytes == 60
    assert not list(tmp_path.glob("*/*.tmp"))
    cache.put(RenditionKey(UUID(int=2), 64, "webp"), bytes(60))
    assert cache.get(KEY) is None


def test_an_empty_file_counts_as_missing(tmp_path: Path) -> None:
    cache = RenditionCache(tmp_path, 100)
    cache.put(KEY, b"data")
    next(tmp_path.glob("*/*.webp")).write_bytes(b"")
    assert cache.get(KEY) is None


def test_what_is_larger_than_the_cache_is_not_kept(tmp_path: Path) -> None:
    assert not RenditionCache(tmp_path, 3).put(KEY, b"data")


async def test_a_page_has_a_rendition_of_its_own(
    source: ContentSource, originals: Originals, renderer: CountingRenderer
) -> None:
    document = originals.add(encrypted(), "application/pdf")
    page = Original(document.blob_key, 1, "open sesame")
    for _ in range(2):
        data = await whole(await source.rendition(str(uuid4()), page, 64, "webp"))
        assert Image.open(io.BytesIO(data)).size == (64, 43)
    assert len(renderer.rendered) == 2  # another page has another id


async def test_a_document_is_shown_by_its_first_page(
    source: ContentSource, originals: Originals
) -> None:
    document = originals.add(one_page(), "application/pdf")
    shown = await source.rendition(document.image_id, Original(document.blob_key), 64, "jpeg")
    assert (await whole(shown)).startswith(b"\xff\xd8")


async def test_a_locked_document_has_no_rendition_without_its_password(
    source: ContentSource, originals: Originals
) -> None:
    document = originals.add(encrypted(), "application/pdf")
    with pytest.raises(PasswordRequired):
        await source.rendition(document.image_id, Original(document.blob_key, 1), 64, "webp")
