"""Pictures and pages as a vision model gets them: small JPEGs, and what is known of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from gateway.json_values import from_struct
from gateway.parts import Parts
from gateway.services import QUICK_S
from viewfinder.errors import ViewfinderError
from viewfinder.v1 import catalog_pb2, image_pb2
from viewfinder.vision.pictures import Fact, ShownPicture

_FETCH_S = 20.0
_TEXT_S = 1.0
_DELETING = "deleting"
# Those that image_service makes unless told otherwise: the next smaller one is small enough.
_WIDTHS = (64, 128, 256, 320, 512, 640, 1024, 1600, 2048)

log = structlog.get_logger()


async def known_images(parts: Parts, ids: Sequence[str]) -> list[catalog_pb2.ImageRecord]:
    """The records of those that are there, in this order."""
    request = catalog_pb2.GetImagesRequest(ids=ids)
    found = await parts.services.catalog.GetImages(request, timeout=QUICK_S)
    records = {record.id: record for record in found.images if record.state != _DELETING}
    return [records[image_id] for image_id in ids if image_id in records]


async def show(
    parts: Parts, records: Sequence[catalog_pb2.ImageRecord], max_side: int
) -> list[ShownPicture | None]:
    """Each as a model may see it, about `max_side` pixels at most; None for one that cannot be had.

    Raises:
        ServiceUnavailable and its like: none can be had, for this reason.
    """
    made = await asyncio.gather(
        *(_shown(parts, record, max_side) for record in records), return_exceptions=True
    )
    faults: list[ViewfinderError] = []
    shown: list[ShownPicture | None] = []
    for record, one in zip(records, made, strict=True):
        if isinstance(one, ShownPicture):
            shown.append(one)
        elif isinstance(one, ViewfinderError):
            log.warning("not shown to the model", image_id=record.id, reason=one.message)
            faults.append(one)
            shown.append(None)
        else:
            raise one
    if faults and len(faults) == len(shown):
        raise faults[0]
    return shown


async def _shown(parts: Parts, record: catalog_pb2.ImageRecord, max_side: int) -> ShownPicture:
    jpeg, text = await asyncio.gather(_jpeg(parts, record, max_side), _text(parts, record))
    return ShownPicture(jpeg, facts_of(record, text))


async def _jpeg(parts: Parts, record: catalog_pb2.ImageRecord, max_side: int) -> bytes:
    wanted = image_pb2.GetContentRequest(
        image_id=record.id,
        blob_key=record.blob_key,
        media_type=record.media_type,
        page=record.page,
        password=record.password,
    )
    wanted.rendition.width = width_within(record.width, record.height, max_side)
    wanted.rendition.format = "jpeg"
    data = bytearray()
    async for part in parts.services.image.GetContent(wanted, timeout=_FETCH_S):
        data += part.chunk
    return bytes(data)


def width_within(width: int, height: int, max_side: int) -> int:
    """The width to ask for so that no side is longer than `max_side`."""
    within = max_side * width // max(1, width, height)
    return max((one for one in _WIDTHS if one <= within), default=_WIDTHS[0])


async def _text(parts: Parts, record: catalog_pb2.ImageRecord) -> str:
    """What was read in it. The model can read, too, so nobody waits long for this."""
    if not record.text_source:
        return ""
    try:
        request = catalog_pb2.GetTextRequest(id=record.id)
        answer = await parts.services.catalog.GetText(request, timeout=_TEXT_S)
    except ViewfinderError as error:
        log.warning("text is not shown to the model", image_id=record.id, reason=error.message)
        return ""
    lines: dict[int, list[str]] = {}
    for word in answer.text.words:
        lines.setdefault(word.line, []).append(word.text)
    return "\n".join(" ".join(words) for words in lines.values())


def facts_of(record: catalog_pb2.ImageRecord, text: str = "") -> dict[str, Fact]:
    """What is known of a picture, as data for a prompt."""
    exif = record.exif
    facts: dict[str, Fact] = {
        "file_name": record.file_name,
        "page": record.page,
        "pages": record.pages,
        "tags": tuple(record.tags),
        "taken_at": exif.taken_at,
        "camera": " ".join(filter(None, (exif.camera_make, exif.camera_model))),
        "text": text,
    }
    own = from_struct(record.metadata)
    facts |= {
        f"metadata.{name}": value
        for name, value in own.items()
        if isinstance(value, str | int | float)
    }
    return {name: value for name, value in facts.items() if value}
