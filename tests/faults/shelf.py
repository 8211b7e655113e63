"""Where a Viewfinder that came through a test waits for the next one.

To start one takes longer than most of these tests. What they break heals, and what has healed must
be as good as new: ready, and without its pictures empty again. One that is not is thrown away.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from tests.end_to_end.conftest import Stack, start_stack, stop_stack
from tests.faults.own_stack import processes_of
from viewfinder.errors import ViewfinderError

HEALING_S = 30
DEFAULT_ENCODER = "mini"


class Shelf:
    """One place; the folders that `make_folder` makes are the stacks' own."""

    def __init__(self, make_folder: Callable[[], Path]) -> None:
        self._make_folder = make_folder
        self._kept: Stack | None = None
        self._environment: dict[str, str] = {}

    def take(self) -> Stack:
        """A Viewfinder that is ready and empty, the one from the shelf or a new one."""
        kept, self._kept = self._kept, None
        if kept is not None:
            if kept.environment == self._environment and emptied(kept):
                return kept
            stop_stack(kept)
        stack = start_stack(self._make_folder() / "data", "--no-frontend")
        self._environment = dict(stack.environment)
        return stack

    def put(self, stack: Stack) -> None:
        """Keep it, in whatever state it is."""
        self._kept = stack

    def clear(self) -> None:
        """Stop what is kept."""
        if self._kept is not None:
            stop_stack(self._kept)
            self._kept = None


def emptied(stack: Stack) -> bool:
    """Remove what a test left. Whether nothing tells it from a new one then."""
    assert stack.data_dir is not None
    if not processes_of(stack, "supervisor.supervisord"):
        return False
    try:
        _within(lambda: stack.client.ready().ready)
        if not _has_only_the_default_encoder(stack):
            return False
        while images := stack.client.images(limit=100).images:
            for image in images:
                stack.client.delete(image.id)
        _within(lambda: _is_empty(stack))
    except (ViewfinderError, _NotInTimeError):
        return False
    shutil.rmtree(stack.data_dir / "models", ignore_errors=True)
    for left in stack.data_dir.parent.iterdir():
        if left != stack.data_dir:
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    return True


def _has_only_the_default_encoder(stack: Stack) -> bool:
    now = stack.client.reindex()
    if now.candidate is not None:
        now = stack.client.forget_encoder()
    if now.previous is not None:
        now = stack.client.forget_encoder(previous=True)
    return now.state == "idle" and (now.active is None or now.active.name == DEFAULT_ENCODER)


def _is_empty(stack: Stack) -> bool:
    assert stack.data_dir is not None
    stats = stack.client.stats()
    originals = (stack.data_dir / "originals").rglob("*")
    return (
        not stats.catalogue.by_state
        and stats.collection.vectors_count == 0
        and not any(path.is_file() for path in originals)
    )


class _NotInTimeError(Exception):
    pass


def _within(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HEALING_S
    while True:
        try:
            if condition():
                return
        except ViewfinderError:
            pass  # a part that was killed last is starting again
        if time.monotonic() > deadline:
            raise _NotInTimeError
        time.sleep(0.05)
