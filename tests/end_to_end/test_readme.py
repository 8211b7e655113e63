"""The command blocks of README.md work as they stand."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Stack

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow,  # runs every command of the README
]

ROOT = Path(__file__).parents[2]
# Run elsewhere: by .ci/run itself, and by `make compose-test` where there is an engine.
RUN_BY_CI = {"make demo", "make test", "docker compose up --build --wait"}
# Would start or stop the stack that this test runs against; tests/cli does both.
RUN_BY_FIXTURE = {".venv/bin/viewfinder up --detach", ".venv/bin/viewfinder down"}


def _blocks(language: str) -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture
def visitor(
    stack: Stack, jpeg: Callable[..., bytes], tmp_path: Path
) -> tuple[Path, dict[str, str]]:
    """A folder with cat.jpg and a home with pictures; the environment of who sits there."""
    if stack.data_dir is None:
        pytest.skip("runs against a stack on this machine only")
    pictures = tmp_path / "home" / "Pictures" / "trip"
    pictures.mkdir(parents=True)
    (pictures / "one.jpg").write_bytes(jpeg())
    (tmp_path / "cat.jpg").write_bytes(jpeg("cat"))
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    return tmp_path, {**stack.environment, "HOME": str(tmp_path / "home")}


def test_the_console_blocks_run(stack: Stack, visitor: tuple[Path, dict[str, str]]) -> None:
    folder, environment = visitor
    commands = [line for block in _blocks("console") for line in block.splitlines() if line]
    assert len(commands) >= 8
    for command in commands:
        if command in RUN_BY_CI | RUN_BY_FIXTURE:
            continue
        here = command.replace("http://127.0.0.1:8000", stack.api_url)
        ran = subprocess.run(
            ["bash", "-c", here],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
        if command.startswith("curl"):
            answer = json.loads(ran.stdout)
            assert answer.get("images") or answer.get("results"), f"{command}\n{ran.stdout}"


def test_the_python_block_runs(stack: Stack, visitor: tuple[Path, dict[str, str]]) -> None:
    folder, environment = visitor
    (block,) = _blocks("python")
    ran = subprocess.run(
        [sys.executable, "-c", block.replace("http://127.0.0.1:8000", stack.api_url)],
        cwd=folder,
        env={**environment, "PYTHONPATH": os.pathsep.join([str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr


def test_every_linked_page_exists() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = set(re.findall(r"\]\(([^)#:]+)\)", text))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
