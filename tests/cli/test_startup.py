"""From the start to ready, in the foreground and in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable
from io import StringIO

import pytest
from rich.console import Console

from tests.cli.small_stack import PATIENCE_S, STAYS, wait_for
from viewfinder.cli.programs import Program
from viewfinder.cli.stack import CannotStartError, Stack
from viewfinder.cli.startup import NotReadyError, StackRun

ENDS = Program("ends", "this")
MISUSED = Program("misused", "json.tool", ("--no-such-option",))  # ends with status 2


def _run(stack: Stack, timeout_s: float = PATIENCE_S) -> tuple[StackRun, StringIO, threading.Event]:
    shown, stopping = StringIO(), threading.Event()
    return StackRun(stack, Console(file=shown, width=200), stopping, timeout_s), shown, stopping


def test_detached_returns_when_it_is_ready_and_leaves_it_running(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(STAYS)
    run, shown, _ = _run(stack)
    run.detached()
    assert f"Viewfinder is ready: {stack.settings.api_url}/docs" in shown.getvalue()
    assert [process.state for process in stack.processes()] == ["RUNNING"]


@pytest.mark.slow  # supervisord takes a second to believe in a process
def test_the_foreground_shows_the_logs_and_stops_everything_at_the_end(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(STAYS)
    run, shown, stopping = _run(stack)
    thread = threading.Thread(target=run.in_foreground)
    thread.start()
    wait_for(lambda: "Viewfinder is ready" in shown.getvalue())
    wait_for(lambda: "stays │ Serving HTTP on 127.0.0.1" in shown.getvalue())
    stopping.set()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert shown.getvalue().endswith("Stopped\n")
    assert stack.pid() is None


@pytest.mark.slow  # supervisord takes a second to believe in a process
def test_what_is_not_ready_in_time_is_named_with_its_last_words(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(STAYS, ENDS)
    run, _, _ = _run(stack, timeout_s=2)
    with pytest.raises(NotReadyError) as caught:
        run.detached()
    assert "ends is not ready" in str(caught.value)
    assert "  ends │ Namespaces are one honking great idea" in str(caught.value)
    assert "stays is not ready" not in str(caught.value)
    assert stack.pid() is None


def test_a_process_whose_settings_are_wrong_ends_the_wait_at_once(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(STAYS, MISUSED)
    run, _, _ = _run(stack)
    with pytest.raises(CannotStartError, match="unrecognized arguments: --no-such-option"):
        run.detached()
    assert stack.pid() is None
