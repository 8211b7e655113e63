"""A restore is all or nothing, wherever it is killed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from viewfinder.cli import restore_swap
from viewfinder.cli.restore_swap import commit, finish_restore, staging_dir

PARTS = ("catalogue", "index", "originals")


class KilledError(BaseException):
    """In the place of a SIGKILL: nobody catches it."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a restore that is about to be put in its place."""
    for part in (*PARTS, "renditions", "queue", "logs"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "old").touch()
    for part in PARTS:
        folder = staging_dir(tmp_path) / part
        folder.mkdir(parents=True)
        (folder / "new").touch()
    return tmp_path


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def content(data: Path) -> dict[str, list[str]]:
    return {path.name: names_in(path) for path in data.iterdir() if path.is_dir()}


OLD = {part: ["old"] for part in (*PARTS, "renditions", "queue", "logs")}
NEW = {**{part: ["new"] for part in PARTS}, "logs": ["old"]}


@contextmanager
def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Before the step-th change of a folder."""
    left = step
    with monkeypatch.context() as patched:

        def counted(change: Any) -> Any:
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                nonlocal left
                left -= 1
                if left < 0:
                    raise KilledError
                return change(*args, **kwargs)

            return wrapper

        patched.setattr(Path, "rename", counted(Path.rename))
        patched.setattr(restore_swap.shutil, "rmtree", counted(restore_swap.shutil.rmtree))
        try:
            yield
        except KilledError:
            return
    pytest.fail("there are fewer steps than that")


def test_what_was_restored_is_the_data_and_nothing_is_left(data: Path) -> None:
    commit(data, PARTS)
    assert content(data) == NEW


def test_parts_that_were_not_restored_stay(data: Path) -> None:
    commit(data, PARTS[:2])
    assert content(data) == {**NEW, "originals": ["old"]}


def test_into_an_empty_folder(tmp_path: Path) -> None:
    (staging_dir(tmp_path) / "catalogue").mkdir(parents=True)
    commit(tmp_path, ["catalogue"])
    assert content(tmp_path) == {"catalogue": []}


def test_killed_before_it_is_whole_all_is_as_before(data: Path) -> None:
    finish_restore(data)
    assert content(data) == OLD


@pytest.mark.parametrize("step", range(12))
def test_killed_at_any_step_it_is_finished_or_forgotten(
    data: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with killed_at(step, monkeypatch):
        commit(data, PARTS)
    finish_restore(data)
    assert content(data) == (OLD if step == 0 else NEW)


@pytest.mark.parametrize("step", range(1, 6))
def test_killed_again_while_it_is_finished(
    data: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with killed_at(3, monkeypatch):
        commit(data, PARTS)
    with killed_at(step, monkeypatch):
        finish_restore(data)
    finish_restore(data)
    assert content(data) == NEW
