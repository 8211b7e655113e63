"""Stacks of stand-ins on free ports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.small_stack import free_port
from viewfinder.cli.programs import Program
from viewfinder.cli.stack import Stack
from viewfinder.cli.stack_settings import StackSettings


@pytest.fixture
def stack_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StackSettings:
    monkeypatch.setenv("VIEWFINDER_DATA_DIR", str(tmp_path / "data"))
    return StackSettings(api_port=free_port(), frontend_port=free_port())


@pytest.fixture
def make_stack(stack_settings: StackSettings) -> Iterator[Callable[..., Stack]]:
    made: list[Stack] = []

    def make(*programs: Program) -> Stack:
        made.append(Stack(stack_settings, programs))
        return made[-1]

    yield make
    for stack in made:
        stack.stop()
