"""The examples of docs/searching.md work as they stand."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.conftest import Stack

pytestmark = pytest.mark.stack

GUIDE = Path(__file__).parents[2] / "docs" / "searching.md"


def _blocks(language: str) -> list[str]:
    found = re.findall(
        rf"^```{language}\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL | re.M
    )
    assert found, f"no {language} block in {GUIDE.name}"
    return found


def _run(stack: Stack, *command: str) -> str:
    ran = subprocess.run(
        command, env=stack.environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


def test_the_shell_blocks_run(stack: Stack) -> None:
    for block in _blocks("sh"):
        if block.startswith("viewfinder "):
            here = f"{sys.executable} -m viewfinder.cli {block.removeprefix('viewfinder ')}"
            _run(stack, "bash", "-c", here)
        else:
            here = block.replace("localhost:8000", stack.api_url.removeprefix("http://"))
            answer = json.loads(_run(stack, "bash", "-c", here))
            assert "results" in answer, answer


def test_the_python_block_runs(stack: Stack) -> None:
    for block in _blocks("python"):
        _run(stack, sys.executable, "-c", block.replace("http://127.0.0.1:8000", stack.api_url))


def test_the_bodies_are_accepted(stack: Stack) -> None:
    for block in _blocks("json"):
        answer = httpx.post(f"{stack.api_url}/search", json=json.loads(block), timeout=30)
        assert answer.status_code == 200, answer.text
