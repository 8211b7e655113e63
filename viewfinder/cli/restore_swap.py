"""What was restored takes the place of what was there, all at once, whenever it is killed.

A restore builds everything in `restoring/new` beside the data. One file, `restoring/ready.json`,
says that it is whole: a restore killed before leaves all as it was, one killed after is finished by
the next start. Either way nothing is left behind.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

_FOLDER = "restoring"
_READY = "ready.json"
_REPLACED = "replaced"
_MADE_ANEW = ("renditions", "queue")  # made from what is replaced


def staging_dir(data_dir: Path) -> Path:
    """The data folder that a restore builds, on the same file system."""
    return data_dir.absolute() / _FOLDER / "new"


def drop_unfinished(data_dir: Path) -> None:
    """Remove what a killed restore left, whole or not."""
    shutil.rmtree(data_dir.absolute() / _FOLDER, ignore_errors=True)


def commit(data_dir: Path, parts: Sequence[str]) -> None:
    """From now on these folders of the staging folder are the data. They must be durable."""
    folder = data_dir.absolute() / _FOLDER
    marker = folder / f"{_READY}.new"
    with marker.open("w") as file:
        json.dump({"parts": list(parts)}, file)
        file.flush()
        os.fsync(file.fileno())
    _sync(folder)
    marker.rename(folder / _READY)
    _sync(folder)
    finish_restore(data_dir)


def finish_restore(data_dir: Path) -> None:
    """Go on where a restore was killed, or forget one that was not whole. Every step may be
    repeated; nothing may run on this data folder."""
    folder = data_dir.absolute() / _FOLDER
    if not folder.exists():
        return
    if (folder / _READY).exists():
        for part in json.loads((folder / _READY).read_bytes())["parts"]:
            _replace(data_dir.absolute(), folder, part)
        for name in _MADE_ANEW:
            shutil.rmtree(data_dir / name, ignore_errors=True)
    drop_unfinished(data_dir)


def _replace(data_dir: Path, folder: Path, part: str) -> None:
    new, place, replaced = folder / "new" / part, data_dir / part, folder / _REPLACED / part
    if not new.exists():
        return  # done before
    if place.exists():
        replaced.parent.mkdir(exist_ok=True)
        shutil.rmtree(replaced, ignore_errors=True)
        place.rename(replaced)
    new.rename(place)
    _sync(data_dir)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
