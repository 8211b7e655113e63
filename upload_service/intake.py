"""Intake: bytes as they arrive -> checked -> durable original and row."""

from __future__ import annotations

import asyncio
import hashlib
import os
import unicodedata
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from uuid import UUID

from upload_service.arrivals import Arrival
from upload_service.catalog import Catalog
from upload_service.tables import Image
from viewfinder.blobs import OriginalStore, blob_key, storage_full
from viewfinder.errors import (
    EmptyFile,
    FileTooLarge,
    InvalidRequest,
    PasswordRequired,
    StorageFull,
)
from viewfinder.ids import image_id, new_id
from viewfinder.pictures import PictureInfo

MAX_NAME_CHARS = 255
MAX_PATH_CHARS = 4096
MAX_PASSWORD_CHARS = 200


class Inspector(Protocol):
    """Reads the header of a picture or the pages of a PDF; PixelPool does."""

    def inspect(self, source: Path | bytes, file_name: str, password: str = "") -> PictureInfo:
        """Raises an error of viewfinder/errors.py when it is none that we accept. Blocking."""
        ...


@dataclass(frozen=True)
class Header:
    """What a client says of a file. Nothing of it is believed or used as a path."""

    file_name: str = ""
    file_path: str = ""
    job_id: str = ""
    tags: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    describe: bool = False
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class Taken:
    """An upload that is durable."""

    image: Image
    duplicate: bool
    job_id: str


class Intake:
    """Takes files in. `on_taken` is told of every one, from any thread."""

    def __init__(
        self,
        catalog: Catalog,
        originals: OriginalStore,
        inspector: Inspector,
        max_bytes: int,
        on_taken: Callable[[], None],
    ) -> None:
        self._catalog = catalog
        self._originals = originals
        self._inspector = inspector
        self._max_bytes = max_bytes
        self._on_taken = on_taken
        # A thread of its own: pictures that are slow to inspect hold up other pictures, but not
        # the catalogue, whose calls share asyncio's threads.
        self._inspecting = ThreadPoolExecutor(1, thread_name_prefix="inspecting")

    async def take(self, header: Header, chunks: AsyncIterator[bytes]) -> Taken:
        """Store one file; when this returns, neither kill nor power cut loses it.

        Raises:
            EmptyFile, FileTooLarge, UnsupportedMediaType, BrokenImage, ImageTooLarge,
            MetadataTooLarge, InvalidRequest, PasswordRequired, WrongPassword, TooManyPages: it
            is not accepted; nothing is left of it.
            StorageFull: it cannot be stored; nothing is left of it.
        """
        file_name = displayable_name(header.file_name)
        job_id = _checked_job_id(header.job_id)
        tags = self._catalog.checked_tags(header.tags)
        self._catalog.check_metadata(header.metadata)
        if len(header.password) > MAX_PASSWORD_CHARS:
            raise InvalidRequest(
                field="password",
                value=f"{len(header.password)} characters",
                allowed=f"at most {MAX_PASSWORD_CHARS}",
            )
        temporary = self._originals.new_temporary()
        try:
            digest, size = await self._spool(temporary, chunks)
            if size == 0:
                raise EmptyFile(file_name=file_name)
            identity = str(image_id(digest))
            known = await asyncio.to_thread(
                self._catalog.known_duplicate, identity, job_id, header.password, header.describe
            )
            if known is not None and await asyncio.to_thread(
                self._originals.exists, known.blob_key
            ):
                return Taken(known, duplicate=True, job_id=job_id)
            info, password = await asyncio.get_running_loop().run_in_executor(
                self._inspecting, self._inspect, temporary, file_name, header.password
            )
            arrival = Arrival(
                id=identity,
                sha256=digest.hex(),
                blob_key=blob_key(digest.hex(), info.media_type),
                size_bytes=size,
                info=info,
                file_name=file_name,
                file_path=_displayable(header.file_path, MAX_PATH_CHARS),
                tags=tags,
                metadata=header.metadata,
                password=password,
                describe=header.describe,
            )
            image, duplicate = await asyncio.to_thread(self._add, arrival, job_id, temporary)
        finally:
            temporary.unlink(missing_ok=True)
        self._on_taken()
        return Taken(image, duplicate, job_id)

    def _inspect(self, file: Path, file_name: str, password: str) -> tuple[PictureInfo, str]:
        """And the password, where it takes one: what needs none keeps none."""
        try:
            return self._inspector.inspect(file, file_name), ""
        except PasswordRequired:
            if not password:
                raise
            return self._inspector.inspect(file, file_name, password), password

    def _add(self, arrival: Arrival, job_id: str, temporary: Path) -> tuple[Image, bool]:
        try:
            return self._catalog.add(
                arrival, job_id, lambda: self._originals.keep(temporary, arrival.blob_key)
            )
        except StorageFull:
            # The row did not fit: an original that nobody knows of must not fill the disk further.
            self._catalog.drop_orphans([arrival.blob_key], self._originals.delete)
            raise

    async def _spool(self, temporary: Path, chunks: AsyncIterator[bytes]) -> tuple[bytes, int]:
        """Write to the disk while hashing; SHA-256 and size when it is flushed."""
        digest, size = hashlib.sha256(), 0
        try:
            file = await asyncio.to_thread(temporary.open, "xb")
            with file:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > self._max_bytes:
                        raise FileTooLarge(size_bytes=size, limit_bytes=self._max_bytes)
                    digest.update(chunk)
                    await asyncio.to_thread(file.write, chunk)
                if size:
                    await asyncio.to_thread(_flush, file)
        except OSError as error:
            raise storage_full(error, temporary.parent) or error from error
        return digest.digest(), size


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def displayable_name(name: str) -> str:
    """The last part of a client's file name, fit to be shown; never used as a path."""
    last = name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    shown = _displayable(last, MAX_NAME_CHARS)
    return shown if shown not in ("", ".", "..") else "picture"


def _displayable(text: str, max_chars: int) -> str:
    # Control, format (such as right-to-left marks that disguise a suffix) and surrogate characters.
    kept = "".join(
        character for character in text if unicodedata.category(character) not in ("Cc", "Cf", "Cs")
    )
    return kept.strip()[:max_chars]


def _checked_job_id(job_id: str) -> str:
    if not job_id:
        return new_id()
    try:
        return str(UUID(job_id))
    except ValueError:
        raise InvalidRequest(field="job_id", value=repr(job_id[:80]), allowed="a UUID") from None
