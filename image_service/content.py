"""What is sent for a request: an original or a part of it, or a rendition."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol, get_args
from uuid import UUID

from image_service.heatmaps import Heatmaps, WantedHeatmap
from image_service.original import Original
from image_service.rendition_cache import RenditionKey
from image_service.renditions import Renditions
from viewfinder.errors import ImageNotFound, InvalidRequest, RangeNotSatisfiable
from viewfinder.pictures import RenditionFormat


class Originals(Protocol):
    """Reads the originals. Both raise FileNotFoundError when there is none."""

    async def size_bytes(self, blob_key: str) -> int:
        """The size of an original."""
        ...

    def stream(
        self, blob_key: str, offset: int, length: int, chunk_bytes: int
    ) -> AsyncIterator[bytes]:
        """`length` bytes from `offset`, in pieces of at most `chunk_bytes`."""
        ...


@dataclass(frozen=True)
class Content:
    """A head, and the bytes that follow it."""

    media_type: str
    size_bytes: int  # of the whole
    offset: int
    length: int  # of what follows
    etag: str
    chunks: AsyncIterator[bytes]


class ContentSource:
    """Originals straight from the blob store, renditions from their cache."""

    def __init__(
        self, originals: Originals, renditions: Renditions, heatmaps: Heatmaps, chunk_bytes: int
    ) -> None:
        self._originals = originals
        self._renditions = renditions
        self._heatmaps = heatmaps
        self._chunk_bytes = chunk_bytes

    async def original(
        self, image_id: str, blob_key: str, media_type: str, offset: int, length: int
    ) -> Content:
        """The original from byte `offset` on; `length` 0 or beyond the end means to the end.

        Raises:
            ImageNotFound: there is none.
            RangeNotSatisfiable: the offset is not inside of it.
        """
        identity = parse_image_id(image_id)
        try:
            size = await self._originals.size_bytes(blob_key)
        except FileNotFoundError:
            raise ImageNotFound(image_id=image_id) from None
        if offset >= size:
            raise RangeNotSatisfiable(offset=offset, size_bytes=size)
        length = min(length or size, size - offset)
        chunks = self._originals.stream(blob_key, offset, length, self._chunk_bytes)
        return Content(media_type, size, offset, length, identity.hex, chunks)

    async def rendition(
        self, image_id: str, original: Original, width: int, image_format: str
    ) -> Content:
        """The picture or page at the next allowed width, never enlarged.

        Raises:
            ImageNotFound: there is no original.
            InvalidRequest: no such width or format.
            BrokenImage, ImageTooLarge, ...: the original cannot be decoded.
        """
        if width < 1:
            raise InvalidRequest(field="width", value=str(width), allowed="1 or more")
        key = RenditionKey(
            parse_image_id(image_id),
            self._renditions.allowed_width(width),
            parse_format(image_format),
        )
        data = await self._renditions.get(original, key)
        size = len(data)
        return Content(key.media_type, size, 0, size, key.etag, _split(data, self._chunk_bytes))

    async def heatmap(self, image_id: str, original: Original, wanted: WantedHeatmap) -> Content:
        """The picture with what it was found by drawn on it.

        Raises:
            ImageNotFound, InvalidRequest, ...: see Heatmaps.
        """
        key, data = await self._heatmaps.get(parse_image_id(image_id), original, wanted)
        size = len(data)
        return Content(key.media_type, size, 0, size, key.etag, _split(data, self._chunk_bytes))

    async def drop_renditions(self, image_ids: list[str]) -> None:
        """Forget the renditions of these images."""
        for identity in [parse_image_id(image_id) for image_id in image_ids]:
            await self._renditions.drop(identity)


def parse_image_id(text: str) -> UUID:
    """The id, which also becomes part of file names, so nothing but an id may pass.

    Raises:
        InvalidRequest: it is no UUID.
    """
    try:
        return UUID(text)
    except ValueError:
        raise InvalidRequest(field="image_id", value=text[:64], allowed="a UUID") from None


def parse_format(text: str) -> RenditionFormat:
    """One of the formats that renditions have.

    Raises:
        InvalidRequest: it is another.
    """
    for known in get_args(RenditionFormat):
        if text == known:
            return known  # type: ignore[no-any-return]
    allowed = ", ".join(get_args(RenditionFormat))
    raise InvalidRequest(field="format", value=text[:64], allowed=allowed)


async def _split(data: bytes, chunk_bytes: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), chunk_bytes):
        yield data[start : start + chunk_bytes]
