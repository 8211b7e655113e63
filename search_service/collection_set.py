"""The collections side by side, one for each encoder: one answers, others are being filled or kept.

While another encoder's vectors are made for all pictures, searches go on with the active one; then
one durable pointer moves. Payloads and deletions go to all, so that none falls behind.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from uuid import UUID

import structlog

from search_service.collection import Collection, CollectionState, check_vectors
from search_service.durable_file import write_atomically
from search_service.encoder_binding import EncoderSpec, check_can_answer
from search_service.epoch import Epoch
from search_service.telling import TellingWrites, on_each
from search_service.vector_index import IndexFault, IndexPoint, IndexUnusable, Vectors
from viewfinder.errors import InvalidRequest

HOME = ""
"""The slot of the first collection, which lies in the index folder itself."""
_BESIDE = "beside"
_GOING = "going-"
_PARTS = ("edge", "encoder.json")

log = structlog.get_logger()

OpenCollection = Callable[[Path], Collection]


class CollectionSet(TellingWrites):
    """All collections of an index folder. `open_collection` opens the one of a slot's folder.

    Raises:
        IndexUnusable: one of them, or the pointer to the active one, is damaged.
    """

    def __init__(self, folder: Path, epoch: Epoch, open_collection: OpenCollection) -> None:
        super().__init__()
        self._folder = folder
        self._epoch = epoch
        self._open = open_collection
        self._pointer = folder / "active.json"
        self._active_slot = _read_pointer(self._pointer)
        for leftover in folder.glob(f"{_GOING}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        self._slots = {
            slot: open_collection(self._folder_of(slot)) for slot in self._slots_on_disk()
        }
        self._changing = asyncio.Lock()

    @property
    def active(self) -> Collection:
        """The one that answers searches."""
        return self._slots[self._active_slot]

    @property
    def others(self) -> list[Collection]:
        """Those of encoders that do not answer."""
        return [
            collection
            for slot, collection in self._slots.items()
            if slot != self._active_slot and collection.spec is not None
        ]

    async def prepare(self, spec: EncoderSpec) -> None:
        """Make what has met no encoder ready for this one, ahead of its first vectors."""
        await self.active.prepare(spec)

    async def of_encoder(self, spec: EncoderSpec) -> Collection | None:
        """The one of this encoder, whether it answers or not."""
        slot = self._slot_of(spec)
        return None if slot is None else self._slots[slot]

    async def upsert(
        self, spec: EncoderSpec, points: Sequence[IndexPoint], vectors: Vectors, beside: bool
    ) -> int:
        """Insert or replace, durably; the new epoch.

        `beside`: into the collection of this encoder, made when there is none. Otherwise the
        active one takes them, or refuses another encoder.

        Raises:
            EncoderMismatch, InvalidRequest, StorageFull: see Collection.upsert.
        """
        collection = self.active
        check_vectors(spec, points, vectors)  # before anything is made for them
        if (beside or spec.is_multi) and collection.spec != spec:
            collection = await self._of(spec)
        writing = collection.upsert(spec, points, vectors)

        async def matters() -> bool:
            return collection is self.active or spec.is_multi

        return await self.told(writing, matters)

    async def set_payload(self, points: Sequence[IndexPoint]) -> int:
        """Replace the payload of those that exist, in all collections."""
        return max(await self.told(self._on_all(lambda one: one.set_payload(points))))

    async def delete(self, ids: Sequence[UUID]) -> int:
        """Remove from all collections."""
        return max(await self.told(self._on_all(lambda one: one.delete(ids))))

    async def switch(self, spec: EncoderSpec) -> int:
        """From now on this encoder's collection answers, an empty one where it has met no picture.

        Returns the new epoch. Raises StorageFull when the pointer cannot be written; all is then
        as before. InvalidRequest: a multivector encoder answers beside the active one only.
        """
        check_can_answer(spec)
        await self._of(spec)
        async with self._changing:
            slot = self._slot_of(spec)
            if slot is None:
                raise IndexFault(f"the collection of {spec} was dropped while it was switched to")
            if slot != self._active_slot:
                # Before the pointer moves: caches must let go of the past, whatever comes.
                self._epoch.bump()
                content = json.dumps({"slot": slot, "encoder": str(spec)}).encode()
                await asyncio.to_thread(write_atomically, self._pointer, content)
                self._active_slot = slot
                log.info("another encoder answers", encoder=str(spec))
            epoch = self._epoch.bump()
        await self.tell_caches()
        return epoch

    async def drop(self, spec: EncoderSpec) -> None:
        """Remove the collection of this encoder; an unknown one is passed over.

        Raises:
            InvalidRequest: it is the active one.
        """
        async with self._changing:
            slot = self._slot_of(spec)
            if slot is None:
                return
            if slot == self._active_slot:
                raise InvalidRequest(
                    field="spec", value=str(spec), allowed="an encoder that does not answer"
                )
            collection = self._slots.pop(slot)
            self._epoch.bump()
            try:
                await collection.close()
                await asyncio.to_thread(self._remove, slot)
            finally:
                if spec.is_multi:  # its pages were among the answers
                    await self.tell_caches()

    async def in_order(self) -> list[Collection]:
        """The active one first, then the others."""
        return [self.active, *self.others]

    async def states(self) -> list[CollectionState]:
        """Of the active one first, then of the others."""
        return [await one.state() for one in await self.in_order()]

    async def close(self) -> None:
        """Finish what is being written and close all."""
        await self.all_written()
        for collection in self._slots.values():
            await collection.close()

    async def _of(self, spec: EncoderSpec) -> Collection:
        async with self._changing:
            slot = self._slot_of(spec)
            if slot is None:
                slot = hashlib.sha256(str(spec).encode()).hexdigest()[:16]
                if slot not in self._slots:  # else one whose making was killed half way
                    folder = self._folder_of(slot)
                    self._slots[slot] = await asyncio.to_thread(self._open, folder)
                await self._slots[slot].prepare(spec)
            return self._slots[slot]

    async def _on_all(self, write: Callable[[Collection], Awaitable[int]]) -> list[int]:
        return await on_each([write(collection) for collection in self._slots.values()])

    def _slot_of(self, spec: EncoderSpec) -> str | None:
        return next((slot for slot, one in self._slots.items() if one.spec == spec), None)

    def _folder_of(self, slot: str) -> Path:
        return self._folder if slot == HOME else self._folder / _BESIDE / slot

    def _slots_on_disk(self) -> list[str]:
        found = [path.name for path in sorted((self._folder / _BESIDE).glob("*")) if path.is_dir()]
        has_home = any((self._folder / part).exists() for part in _PARTS)
        if has_home or self._active_slot == HOME:
            found.insert(0, HOME)
        if self._active_slot not in found:
            raise IndexUnusable(
                f"{self._pointer} names the collection {self._active_slot}, which is not there;"
                " restore the whole index folder from one backup"
            )
        return found

    def _remove(self, slot: str) -> None:
        """Renamed first: what is removed half way must not be opened again."""
        folder = self._folder_of(slot)
        vectors = folder / "edge" if slot == HOME else folder
        going = self._folder / f"{_GOING}{slot or 'home'}"
        shutil.rmtree(going, ignore_errors=True)
        if vectors.exists():
            vectors.rename(going)
        if slot == HOME:
            (folder / "encoder.json").unlink(missing_ok=True)
        shutil.rmtree(going, ignore_errors=True)


def _read_pointer(path: Path) -> str:
    try:
        return str(json.loads(path.read_bytes())["slot"])
    except FileNotFoundError:
        return HOME
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IndexUnusable(f"{path} cannot be read ({error})") from error
