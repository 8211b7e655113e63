"""Restoring a backup: built beside the data by the services that own it, then put in its place."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from viewfinder.backup.archive_reader import ArchiveReader, Part
from viewfinder.backup.layout import Manifest
from viewfinder.blobs import OriginalStore
from viewfinder.cli import dying_with
from viewfinder.cli.backup_writing import Progress, spec_message
from viewfinder.cli.owners import NO_GRAPH, SEARCH, OwnerFaultError, started
from viewfinder.cli.programs import environment_of
from viewfinder.cli.restore_swap import commit, drop_unfinished, staging_dir
from viewfinder.cli.stack_settings import StackSettings
from viewfinder.rpc import open_channel
from viewfinder.v1 import common_pb2, search_pb2, search_pb2_grpc

_LEFT_OUT = "left-out"
_ROOM_FOR_VECTORS = 3  # the engine keeps them, their int8 copies and a log
_RESERVE_BYTES = 256 << 20
_WRITE_S = 300.0
_HASH_CHUNK_BYTES = 1 << 20


class NotRestorableError(Exception):
    """The data folder is not as it must be; the text says what to do."""


@dataclass(frozen=True)
class Restored:
    """What became of it: counts of the catalogue's healing, and whose vectors answer."""

    manifest: Manifest
    encoder: str
    to_embed: int
    to_refresh: int
    unknown: int


def check_place(data_dir: Path, archive: ArchiveReader, replace: bool) -> None:
    """
    Raises:
        NotRestorableError: there is something already, or too little room.
    """
    manifest = archive.manifest
    holds = [name for name in ("catalogue", "index") if _has_content(data_dir / name)]
    if manifest.has_originals and any(_originals_in(data_dir / "originals")):
        holds.append("originals")
    if holds and not replace:
        raise NotRestorableError(
            f"{data_dir.absolute()} holds a Viewfinder already ({', '.join(holds)}); restore into"
            " another folder with VIEWFINDER_DATA_DIR, or give --replace to lose what is there"
        )
    needed = (
        2 * manifest.catalogue_bytes
        + _ROOM_FOR_VECTORS * manifest.vectors_bytes
        + (manifest.originals_bytes if manifest.has_originals else 0)
        + _RESERVE_BYTES
    )
    free = shutil.disk_usage(_there(data_dir)).free
    if free < needed:
        raise NotRestorableError(
            f"Restoring needs about {needed >> 20:,} MB beside what is there, the disk of"
            f" {data_dir.absolute()} has {free >> 20:,} MB left"
        )


def check_originals(archive: ArchiveReader, folder: Path, hashed: bool, progress: Progress) -> None:
    """That the originals of a backup without them are in the data folder.

    Raises:
        NotRestorableError: some are not, or are something else.
    """
    manifest = archive.manifest
    store = OriginalStore.reading_folder(folder)
    progress.begin("Originals", manifest.originals_bytes)
    wrong: list[str] = []
    count = 0
    for entry in archive.originals():
        reason = _wrong_with(store.local_path(entry["blob_key"]), entry, hashed)
        if reason:
            count += 1
            wrong += [f"{entry['blob_key']} {reason}"] if count <= 3 else []
        progress.advance(entry["size_bytes"])
    if count:
        raise NotRestorableError(
            f"{count:,} of {manifest.originals:,} originals are not in {folder.absolute()}:"
            f" {'; '.join(wrong)}{' ...' if count > len(wrong) else ''}. Copy that folder there"
            " from where the backup was made, or give --accept-missing: pictures without an"
            " original are found, but not shown"
        )


async def restore(settings: StackSettings, archive: ArchiveReader, progress: Progress) -> Restored:
    """Build all of it and put it in its place. The stack is kept down meanwhile.

    Raises:
        OwnerFaultError: a service refuses it; all is as before.
    """
    staged = settings.model_copy(
        update={"data_dir": staging_dir(settings.data_dir), "search_address": ""}
    )
    try:
        staged.data_dir.mkdir(parents=True)
        healed = await _restore_catalogue(staged, archive, progress)
        encoder = await _restore_index(staged, archive, healed, progress)
        parts = ["catalogue", "index"]
        (staged.data_dir / "index").mkdir(exist_ok=True)  # empty where a server holds the vectors
        if archive.manifest.has_originals:
            (staged.data_dir / "originals").mkdir(exist_ok=True)
            parts.append("originals")
        await asyncio.to_thread(commit, settings.data_dir, parts)
    except BaseException:
        drop_unfinished(settings.data_dir)
        raise
    finally:
        shutil.rmtree(staged.run_dir, ignore_errors=True)
    return Restored(
        archive.manifest, encoder, healed["to_embed"], healed["to_refresh"], healed["unknown"]
    )


async def _restore_catalogue(
    staged: StackSettings, archive: ArchiveReader, progress: Progress
) -> dict[str, Any]:
    manifest = archive.manifest
    in_archive = manifest.originals_bytes if manifest.has_originals else 0
    progress.begin("Catalogue and originals", manifest.catalogue_bytes + in_archive)
    process = await asyncio.create_subprocess_exec(
        *dying_with.command(
            "upload_service.restoring", str(archive.path), str(staged.data_dir / _LEFT_OUT)
        ),
        env=environment_of(staged),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    healed: dict[str, Any] | None = None
    try:
        async for line in process.stdout:
            said = json.loads(line)
            healed = said.get("healed", healed)
            progress.advance(said.get("bytes", 0))
        words = (await process.stderr.read()).decode(errors="replace").strip().splitlines()
        await process.wait()
    except BaseException:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    if process.returncode != 0 or healed is None:
        raise OwnerFaultError(words[-1] if words else "upload_service.restoring was killed")
    return healed


async def _restore_index(
    staged: StackSettings, archive: ArchiveReader, healed: dict[str, Any], progress: Progress
) -> str:
    """The encoder that answers, for people."""
    collections = archive.manifest.collections
    answers = healed["answers"] or next((one.spec for one in collections if one.active), None)
    left_out = frozenset((staged.data_dir / _LEFT_OUT).read_text().split())
    environment = {
        "VIEWFINDER_SEARCH_ADDRESS": "",
        "VIEWFINDER_EMBEDDING_ADDRESS": "",  # nobody there: the index stays without an encoder
        **NO_GRAPH,  # it is built once, while searches go on already
    }
    channel = open_channel(staged.address_of("search"), SEARCH.module)
    async with started(staged, [SEARCH], environment):
        try:
            search = search_pb2_grpc.SearchServiceStub(channel)
            await _refuse_what_is_there(search)
            for number, collection in enumerate(collections):
                progress.begin(f"Vectors of {collection.spec['name']}", collection.points, False)
                spec = spec_message(collection.spec)
                async for points in _parts(archive, number, left_out):
                    request = search_pb2.RestorePointsRequest(
                        spec=spec, points=points, beside=collection.spec != answers
                    )
                    if points.points:
                        await search.RestorePoints(request, timeout=_WRITE_S)
                    progress.advance(len(points.points))
            if answers is not None:
                await search.SwitchCollection(
                    search_pb2.SwitchCollectionRequest(spec=spec_message(answers)),
                    timeout=_WRITE_S,
                )
        finally:
            await channel.close()
    return "" if answers is None else str(answers["name"])


async def _refuse_what_is_there(search: Any) -> None:
    """Of a server: the embedded index of an empty folder has nothing."""
    there = await search.GetCollection(search_pb2.GetCollectionRequest(), timeout=_WRITE_S)
    count = there.vectors_count + sum(other.vectors_count for other in there.others)
    if count:
        raise OwnerFaultError(
            f"The collection {there.name} holds {count:,} vectors already; they are left alone."
            " Choose another with QDRANT_COLLECTION"
        )


async def _parts(
    archive: ArchiveReader, number: int, left_out: frozenset[str]
) -> AsyncIterator[search_pb2.StoredPoints]:
    parts = archive.parts(number)
    while (part := await asyncio.to_thread(next, parts, None)) is not None:
        yield stored_points(part, left_out)


def stored_points(part: Part, left_out: frozenset[str]) -> search_pb2.StoredPoints:
    """A part for the wire, without the points of these ids."""
    kept = [row for row, point in enumerate(part.points) if point["id"] not in left_out]
    points = [part.points[row] for row in kept]
    matrices = np.split(part.vectors, np.cumsum([p.get("rows", 1) for p in part.points])[:-1])
    vectors = np.concatenate([matrices[row] for row in kept] or [part.vectors[:0]])
    is_multi = "rows" in part.points[0]
    message = search_pb2.StoredPoints(
        points=[
            search_pb2.StoredPoint(
                id=point["id"],
                payload_json=json.dumps(point["payload"], ensure_ascii=False),
                words=None
                if point["words"] is None
                else search_pb2.StoredWords(
                    indices=point["words"]["indices"], values=point["words"]["values"]
                ),
            )
            for point in points
        ],
    )
    dim = part.vectors.shape[1]
    if is_multi:
        rows = [point["rows"] for point in points]
        message.multi.CopyFrom(common_pb2.MultiVectors(data=vectors.tobytes(), rows=rows, dim=dim))
    else:
        message.vectors.CopyFrom(
            common_pb2.Vectors(data=vectors.tobytes(), count=len(vectors), dim=dim)
        )
    return message


def _wrong_with(path: Path, entry: dict[str, Any], hashed: bool) -> str:
    try:
        if path.stat().st_size != entry["size_bytes"]:
            return "has another size"
        if hashed:
            digest = hashlib.sha256()
            with path.open("rb") as file:
                while chunk := file.read(_HASH_CHUNK_BYTES):
                    digest.update(chunk)
            if digest.hexdigest() != entry["sha256"]:
                return "is damaged"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return ""


def _originals_in(folder: Path) -> Iterator[Path]:
    return folder.glob("[0-9a-f][0-9a-f]/*")


def _has_content(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _there(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder
