"""The folder of the index: its lock, and the files in it opened together."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import BinaryIO

from search_service.collection import Collection
from search_service.collection_set import CollectionSet
from search_service.edge_index import EdgeIndex
from search_service.encoder_binding import EncoderBinding
from search_service.engine_options import EngineOptions
from search_service.epoch import Epoch
from search_service.vector_index import IndexUnusable


class FolderLock:
    """Held by one process at a time, let go of by its death.

    Raises:
        IndexUnusable: another process holds it, or the folder is not writable.
    """

    def __init__(self, folder: Path) -> None:
        self._file = _lock(folder)

    def release(self) -> None:
        """Let the next one in."""
        self._file.close()


def open_collections(
    folder: Path, options: EngineOptions, build_above: int, recall_every_s: float = 0
) -> CollectionSet:
    """The collections in this folder, an empty one when there is none. Hold the FolderLock.

    Raises:
        IndexUnusable: something in it is damaged.
    """
    epoch = Epoch(folder / "epoch")

    def open_one(slot: Path) -> Collection:
        return open_collection(slot, options, build_above, epoch, recall_every_s)

    return CollectionSet(folder, epoch, open_one)


def open_collection(
    slot: Path, options: EngineOptions, build_above: int, epoch: Epoch, recall_every_s: float = 0
) -> Collection:
    """The collection in a slot's folder.

    Raises:
        IndexUnusable: it is damaged, or its two files do not belong together.
    """
    index = EdgeIndex(slot / "edge", options, build_above)
    binding = EncoderBinding(slot / "encoder.json")
    if index.holds_points() and (binding.spec is None or binding.spec.dim != index.dim):
        raise IndexUnusable(
            f"the index holds vectors of {index.dim} numbers, but encoder.json beside it"
            f" says {binding.spec}; restore both from the same backup"
        )
    return Collection(index, binding, epoch, recall_every_s)


def _lock(folder: Path) -> BinaryIO:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("wb")
    except OSError as error:
        reason = error.strerror or str(error)
        raise IndexUnusable(f"the index folder {folder} is not writable: {reason}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise IndexUnusable(f"the index in {folder} is in use by another process") from error
    return file
