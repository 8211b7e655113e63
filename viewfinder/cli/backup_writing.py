"""Making a backup from what the services stream."""

from __future__ import annotations

import asyncio
import io
import json
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, BinaryIO, Protocol

import numpy as np

from viewfinder import __version__
from viewfinder.backup.archive_writer import ArchiveWriter, OriginalUnreadableError
from viewfinder.backup.layout import (
    CATALOGUE,
    FORMAT,
    HEAD,
    MAX_POINTS,
    MISSING,
    ORIGINALS,
    CollectionEntry,
    Manifest,
    collection_name,
    points_name,
    vectors_name,
)
from viewfinder.blobs import OriginalStore
from viewfinder.cli.backup_target import check_space
from viewfinder.cli.owners import STREAM_S, Owners
from viewfinder.v1 import catalog_pb2, common_pb2, search_pb2

_PART_BYTES = 6 << 20
_PAYLOAD_BYTES = 700  # of a point with its id, for the guess of the space that is needed
_QUICK_S = 10.0


class Progress(Protocol):
    """Who shows how far it is."""

    def begin(self, what: str, total: int, in_bytes: bool = True) -> None:
        """What comes next, and how much of it there is."""

    def advance(self, amount: int) -> None:
        """So much more of it is done."""


async def write_backup(
    owners: Owners, originals: Path | None, target: Path, file: BinaryIO, progress: Progress
) -> Manifest:
    """Write all of it to `file`, which becomes `target`. `originals`: the folder to put in.

    The catalogue comes first: a picture that is indexed meanwhile is then only indexed again after
    a restore, never lost.

    Raises:
        TargetError: there is no room for it.
        ViewfinderError: a service fails.
    """
    backup = _Backup(ArchiveWriter(file, time.time()), target, progress)
    with tempfile.TemporaryFile("w+b", dir=target.parent) as listed:
        await backup.take_catalogue(owners, listed, with_originals=originals is not None)
        await backup.take_collections(owners)
        if originals is not None:
            await asyncio.to_thread(backup.take_originals, originals, listed)
    backup.archive.finish(backup.manifest)
    return backup.manifest


class _Backup:
    def __init__(self, archive: ArchiveWriter, target: Path, progress: Progress) -> None:
        self.archive = archive
        self.manifest = Manifest(schema="", catalogue_bytes=0, images=0)
        self._target = target
        self._progress = progress

    async def take_catalogue(self, owners: Owners, listed: IO[bytes], with_originals: bool) -> None:
        vectors_bytes = await _vectors_bytes(owners)
        self.archive.add_json(
            HEAD,
            {
                "what": "backup of a Viewfinder; see docs/backup.md",
                "format": FORMAT,
                "version": __version__,
                "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            },
        )
        parts = aiter(
            owners.catalog.DumpCatalogue(catalog_pb2.DumpCatalogueRequest(), timeout=STREAM_S)
        )
        head = (await anext(parts)).head
        originals_bytes = head.originals_bytes + 1024 * head.images if with_originals else 0
        check_space(
            self._target,
            head.size_bytes + 300 * head.images + vectors_bytes + originals_bytes,
        )
        self.manifest.schema, self.manifest.images = head.schema, head.images
        self.manifest.catalogue_bytes = head.size_bytes
        self.manifest.has_originals = with_originals
        self._progress.begin("Catalogue", head.size_bytes)
        with self.archive.member(CATALOGUE) as member:
            first = await self._write_chunks(parts, member)
        if member.size_bytes != head.size_bytes:
            raise RuntimeError(
                f"{member.size_bytes} of {head.size_bytes} bytes of the catalogue came"
            )
        with self.archive.member(ORIGINALS) as member:
            async for entries in _entries(first, parts):
                for entry in entries.entries:
                    line = _line(
                        {
                            "blob_key": entry.blob_key,
                            "sha256": entry.sha256,
                            "size_bytes": entry.size_bytes,
                        }
                    )
                    member.write(line)
                    if with_originals:
                        listed.write(line)
                    self.manifest.originals += 1
                    self.manifest.originals_bytes += entry.size_bytes

    async def _write_chunks(
        self, parts: Any, member: Any
    ) -> catalog_pb2.DumpCatalogueResponse | None:
        async for part in parts:
            if part.WhichOneof("part") != "chunk":
                first: catalog_pb2.DumpCatalogueResponse = part
                return first
            member.write(part.chunk)
            self._progress.advance(len(part.chunk))
        return None

    async def take_collections(self, owners: Owners) -> None:
        request = search_pb2.DumpCollectionsRequest()
        points = _Points(self.archive)
        is_left_out = False
        async for message in owners.search.DumpCollections(request, timeout=STREAM_S):
            if message.WhichOneof("part") == "collection":
                points.flush()
                head = message.collection
                # Hundreds of vectors a page: they are made again after a restore.
                is_left_out = head.spec.kind == "multivector"
                if is_left_out:
                    continue
                entry = CollectionEntry(spec=spec_dict(head.spec), active=head.active)
                self.archive.add_json(
                    collection_name(len(self.manifest.collections)),
                    {"spec": entry.spec, "active": entry.active},
                )
                points = _Points(self.archive, len(self.manifest.collections), entry)
                self.manifest.collections.append(entry)
                self._progress.begin(f"Vectors of {head.spec.name}", head.vectors_count, False)
            elif not is_left_out:
                points.add(message.points)
                self._progress.advance(message.points.vectors.count)
        points.flush()

    def take_originals(self, folder: Path, listed: IO[bytes]) -> None:
        store = OriginalStore.reading_folder(folder)
        self._progress.begin("Originals", self.manifest.originals_bytes)
        missing = []
        listed.seek(0)
        for line in listed:
            entry = json.loads(line)
            try:
                self.archive.add_original(
                    store.local_path(entry["blob_key"]),
                    entry["blob_key"],
                    entry["sha256"],
                    entry["size_bytes"],
                )
            except OriginalUnreadableError as error:
                missing.append(_line({"blob_key": entry["blob_key"], "reason": str(error)}))
            self._progress.advance(entry["size_bytes"])
        self.manifest.missing = len(missing)
        self.archive.add(MISSING, b"".join(missing))


class _Points:
    """Points of a collection on their way into parts of bounded size."""

    def __init__(
        self, archive: ArchiveWriter, number: int = 0, entry: CollectionEntry | None = None
    ) -> None:
        self._archive = archive
        self._number = number
        self._entry = entry
        self._lines: list[bytes] = []
        self._vectors: list[Any] = []
        self._size_bytes = 0

    def add(self, points: search_pb2.StoredPoints) -> None:
        rows = np.frombuffer(points.vectors.data, dtype="<f4").reshape(-1, points.vectors.dim)
        for point, row in zip(points.points, rows, strict=True):
            line = _point_line(point)
            self._lines.append(line)
            self._vectors.append(row)
            self._size_bytes += len(line) + row.nbytes
            if len(self._lines) >= MAX_POINTS or self._size_bytes >= _PART_BYTES:
                self.flush()

    def flush(self) -> None:
        if not self._lines or self._entry is None:
            return
        part = self._entry.parts
        content = io.BytesIO()
        np.save(content, np.stack(self._vectors), allow_pickle=False)
        self._archive.add(points_name(self._number, part), b"".join(self._lines))
        self._archive.add(vectors_name(self._number, part), content.getvalue())
        self._entry.parts += 1
        self._entry.points += len(self._lines)
        self._lines, self._vectors, self._size_bytes = [], [], 0


async def _vectors_bytes(owners: Owners) -> int:
    request = search_pb2.GetCollectionRequest()
    active = await owners.search.GetCollection(request, timeout=_QUICK_S)
    return sum(
        one.vectors_count * (one.spec.dim * 4 + _PAYLOAD_BYTES) for one in [active, *active.others]
    )


async def _entries(
    first: catalog_pb2.DumpCatalogueResponse | None,
    parts: AsyncIterator[catalog_pb2.DumpCatalogueResponse],
) -> AsyncIterator[catalog_pb2.OriginalEntries]:
    if first is not None:
        yield first.originals
    async for part in parts:
        yield part.originals


def _point_line(point: search_pb2.StoredPoint) -> bytes:
    words = None
    if point.HasField("words"):
        words = {"indices": list(point.words.indices), "values": list(point.words.values)}
    # The payload is JSON already, and stays as it is.
    head = json.dumps({"id": point.id, "words": words})[:-1]
    return f'{head}, "payload": {point.payload_json}}}\n'.encode()


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode() + b"\n"


def spec_dict(spec: common_pb2.EncoderSpec) -> dict[str, Any]:
    """An encoder's spec as plain data."""
    return {
        "name": spec.name,
        "revision": spec.revision,
        "kind": spec.kind,
        "dim": spec.dim,
        "pixels": {
            "size": spec.pixels.size,
            "resize_mode": spec.pixels.resize_mode,
            "interpolation": spec.pixels.interpolation,
            "fill": spec.pixels.fill,
            "multiple": spec.pixels.multiple,
            "min_pixels": spec.pixels.min_pixels,
            "max_pixels": spec.pixels.max_pixels,
        },
    }


def spec_message(spec: dict[str, Any]) -> common_pb2.EncoderSpec:
    """The same for the wire."""
    rest = {key: value for key, value in spec.items() if key != "pixels"}
    return common_pb2.EncoderSpec(pixels=common_pb2.PixelSpec(**spec["pixels"]), **rest)
