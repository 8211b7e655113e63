"""What is started runs, dies, is started again and stops; small stand-ins for the services."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.cli.small_stack import STAYS, viewfinder, wait_for
from viewfinder.cli.programs import STACK_MARK, Program
from viewfinder.cli.readiness import look
from viewfinder.cli.stack import CannotStartError, Stack
from viewfinder.cli.stack_settings import StackSettings


def test_what_was_started_is_running_and_what_was_stopped_is_gone(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(STAYS)
    stack.start()
    wait_for(lambda: look(stack).is_ready)
    [process] = stack.processes()
    assert (process.name, process.state) == ("stays", "RUNNING")
    assert stack.stop() == ["stays"]
    assert not psutil.pid_exists(process.pid)
    assert stack.processes() == []


def test_stopping_nothing_is_fine(make_stack: Callable[..., Stack]) -> None:
    assert make_stack(STAYS).stop() == []


def test_a_second_start_says_how_to_stop_the_first(make_stack: Callable[..., Stack]) -> None:
    make_stack(STAYS).start()
    with pytest.raises(CannotStartError, match=r"already running.*viewfinder down"):
        make_stack(STAYS).start()


@pytest.mark.slow  # supervisord takes a second to believe in a process
def test_a_killed_process_is_started_again(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(STAYS)
    stack.start()
    wait_for(lambda: look(stack).is_ready)
    [before] = stack.processes()
    os.kill(before.pid, signal.SIGKILL)
    wait_for(lambda: [p.pid for p in stack.processes() if p.pid] != [before.pid])
    wait_for(lambda: look(stack).is_ready)


def _kill_supervisor(stack: Stack) -> int:
    """Returns the pid of the process it leaves behind."""
    wait_for(lambda: look(stack).is_ready)
    [process] = stack.processes()
    supervisor = stack.pid()
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    wait_for(stack.supervisor_died)
    assert psutil.pid_exists(process.pid)
    return process.pid


@pytest.mark.slow  # supervisord takes a second to believe in a process
def test_a_start_after_the_supervisor_was_killed_ends_what_it_left(
    make_stack: Callable[..., Stack],
) -> None:
    first = make_stack(STAYS)
    first.start()
    left = _kill_supervisor(first)
    second = make_stack(STAYS)
    second.start()
    assert not psutil.pid_exists(left)
    wait_for(lambda: look(second).is_ready)


@pytest.mark.slow  # supervisord takes a second to believe in a process
def test_a_stop_after_the_supervisor_was_killed_ends_what_it_left(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(STAYS)
    stack.start()
    left = _kill_supervisor(stack)
    status = viewfinder("status")
    assert status.returncode == 1
    assert "The supervisor is gone, still running: stays" in status.stdout
    assert stack.stop() == ["stays"]
    assert not psutil.pid_exists(left)


@pytest.mark.slow  # supervisord takes a second to believe in a process
def test_a_valkey_without_its_supervisor_is_found_too(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(Program("valkey", "viewfinder.valkey"))
    stack.start()
    left = _kill_supervisor(stack)
    assert stack.stop() == ["valkey"]
    assert not psutil.pid_exists(left)


def test_processes_of_another_data_folder_are_left_alone(
    make_stack: Callable[..., Stack], tmp_path: Path
) -> None:
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    other = subprocess.Popen(sleeper, env={**os.environ, STACK_MARK: str(tmp_path / "other")})
    try:
        make_stack(STAYS).stop()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_very_long_data_folder_works_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIEWFINDER_DATA_DIR", str(tmp_path / ("deep/" * 30)))
    stack = Stack(StackSettings(), [STAYS])
    stack.start()
    try:
        wait_for(lambda: look(stack).is_ready)
    finally:
        stack.stop()
        shutil.rmtree(stack.settings.run_dir)


def test_down_and_status_without_anything_running(stack_settings: StackSettings) -> None:
    down, status = viewfinder("down"), viewfinder("status", "--json")
    assert (down.returncode, status.returncode) == (0, 1)
    assert "Nothing is running" in down.stdout
    report = json.loads(status.stdout)
    assert (report["running"], report["ready"], report["processes"]) == (False, False, [])


@pytest.mark.slow  # supervisord takes a second to believe in a process
def test_status_lists_what_runs(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(STAYS)
    stack.start()
    wait_for(lambda: look(stack).is_ready)
    report = json.loads(viewfinder("status", "--json").stdout)
    [process] = report["processes"]
    assert (process["name"], process["state"]) == ("stays", "RUNNING")
    assert process["memory_mb"] > 1
    assert "stays" in viewfinder("status").stdout
