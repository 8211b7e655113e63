"""Originals are sent as they are, whole or in part."""

from __future__ import annotations

import pytest

from image_service.content import ContentSource
from image_service.original import Original
from tests.image_service.conftest import Originals, Stored, whole
from viewfinder.errors import ImageNotFound, InvalidRequest, RangeNotSatisfiable


async def part(source: ContentSource, stored: Stored, offset: int, length: int) -> bytes:
    content = await source.original(
        stored.image_id, stored.blob_key, stored.media_type, offset, length
    )
    data = await whole(content)
    assert (content.offset, content.length) == (offset, len(data))
    assert content.size_bytes == len(stored.content)
    return data


async def test_an_original_comes_back_unchanged(source: ContentSource, photo: Stored) -> None:
    assert await part(source, photo, 0, 0) == photo.content


async def test_a_large_original_comes_in_chunks(
    source: ContentSource, originals: Originals
) -> None:
    large = originals.add(bytes(range(256)) * 4000)
    content = await source.original(large.image_id, large.blob_key, large.media_type, 0, 0)
    chunks = [chunk async for chunk in content.chunks]
    assert [len(chunk) for chunk in chunks[:3]] == [256 << 10] * 3
    assert b"".join(chunks) == large.content


@pytest.mark.parametrize(("offset", "length"), [(0, 1), (10, 100), (500, 0), (500, 10**9)])
async def test_a_range_is_that_part(
    source: ContentSource, photo: Stored, offset: int, length: int
) -> None:
    end = offset + length if length else None
    assert await part(source, photo, offset, length) == photo.content[offset:end]


async def test_a_range_behind_the_end_is_not_satisfiable(
    source: ContentSource, photo: Stored
) -> None:
    with pytest.raises(RangeNotSatisfiable):
        await part(source, photo, len(photo.content), 1)


async def test_a_missing_original_is_no_image(source: ContentSource, photo: Stored) -> None:
    with pytest.raises(ImageNotFound):
        await source.original(photo.image_id, f"ff/{'ff' * 32}.jpg", "image/jpeg", 0, 0)


@pytest.mark.parametrize("key", ["../secrets", "/etc/passwd", "", "ab/../../x.jpg"])
async def test_a_key_that_leaves_the_store_is_refused(
    source: ContentSource, photo: Stored, key: str
) -> None:
    with pytest.raises(InvalidRequest):
        await source.original(photo.image_id, key, "image/jpeg", 0, 0)


@pytest.mark.parametrize("image_id", ["", "../..", "*"])
async def test_only_an_id_is_an_id(source: ContentSource, photo: Stored, image_id: str) -> None:
    with pytest.raises(InvalidRequest):
        await source.rendition(image_id, Original(photo.blob_key), 64, "webp")
    with pytest.raises(InvalidRequest):
        await source.drop_renditions([image_id])


async def test_the_etag_of_an_original_is_its_identity(
    source: ContentSource, photo: Stored
) -> None:
    whole_one = await source.original(photo.image_id, photo.blob_key, "image/jpeg", 0, 0)
    a_part = await source.original(photo.image_id, photo.blob_key, "image/jpeg", 10, 5)
    assert whole_one.etag == a_part.etag == photo.image_id.replace("-", "")
