"""The folders of an embedded index: one shard answers, the next is built beside it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from search_service.durable_file import write_atomically
from search_service.vector_index import IndexUnusable
from viewfinder.errors import StorageFull

_POINTER = "current.json"
_MOVING = ".moving"
_COPIES_NEEDED = 3  # the copy itself, and what the graph and the optimiser write beside it


@dataclass(frozen=True)
class Generation:
    """Which folder answers; `built`: how many points its graph leads to."""

    number: int = 0
    built: int = 0


def read_generation(folder: Path) -> Generation:
    """The generation that answers.

    Raises:
        IndexUnusable: the pointer to it is damaged.
    """
    path = folder / _POINTER
    try:
        return Generation(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return Generation()
    except (OSError, ValueError, TypeError) as error:
        raise IndexUnusable(f"{path} cannot be read ({error})") from error


def write_generation(folder: Path, generation: Generation) -> None:
    """From now on this one answers. Durable."""
    content = {"number": generation.number, "built": generation.built}
    write_atomically(folder / _POINTER, json.dumps(content).encode())


def move_old_layout(folder: Path) -> None:
    """Before there were generations, the shard lay in the folder itself."""
    moving = folder.with_name(folder.name + _MOVING)
    if (folder / "edge_config.json").exists():
        folder.rename(moving)
    if moving.exists():
        folder.mkdir(exist_ok=True)
        moving.rename(folder / "0")


def copy_shard(source: Path, target: Path) -> None:
    """Copy a flushed shard that nobody writes to meanwhile.

    Raises:
        StorageFull: there is no room for the copy and the graph.
    """
    shutil.rmtree(target, ignore_errors=True)
    files = [path for path in source.rglob("*") if path.is_file()]
    # Mapped files have holes: what they take of the disk is less than their length.
    needed = _COPIES_NEEDED * sum(path.stat().st_blocks * 512 for path in files)
    free = shutil.disk_usage(source).free
    if free < needed:
        raise StorageFull(
            str(source), f"building the graph needs {needed >> 20} MiB, {free >> 20} MiB are free"
        )
    try:
        shutil.copytree(source, target)
    except (OSError, shutil.Error) as error:
        raise StorageFull(str(target), str(error)[:300]) from error


def remove_folder(folder: Path) -> None:
    """What is left of it is removed at the next start."""
    shutil.rmtree(folder, ignore_errors=True)
