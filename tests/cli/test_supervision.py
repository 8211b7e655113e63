"""`viewfinder up | down | status` on a real supervisord, with small stand-ins for the services."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from viewfinder.cli.log_stream import LinePainter, LogFollower
from viewfinder.cli.preflight import problems
from viewfinder.cli.programs import (
    STACK_MARK,
    Program,
    environment_of,
    programs_of,
    supervisord_config,
)
from viewfinder.cli.readiness import look
from viewfinder.cli.stack import CannotStartError, Stack
from viewfinder.cli.stack_settings import StackSettings
from viewfinder.cli.startup import NotReadyError, StackRun

PATIENCE_S = 30
# Stays until it is stopped, and needs nothing.
STAYS = Program("stays", "http.server", ("0", "--bind", "127.0.0.1"))
ENDS = Program("ends", "this")
MISUSED = Program("misused", "json.tool", ("--no-such-option",))  # ends with status 2


@pytest.fixture
def stack_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StackSettings:
    monkeypatch.setenv("VIEWFINDER_DATA_DIR", str(tmp_path / "data"))
    return StackSettings(api_port=_free_port(), frontend_port=_free_port())


@pytest.fixture
def make_stack(stack_settings: StackSettings) -> Iterator[Callable[..., Stack]]:
    made: list[Stack] = []

    def make(*programs: Program) -> Stack:
        made.append(Stack(stack_settings, programs))
        return made[-1]

    yield make
    for stack in made:
        stack.stop()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def _viewfinder(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "viewfinder.cli", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


# --- what is to be started ---


def test_every_service_and_every_worker_is_a_program(stack_settings: StackSettings) -> None:
    settings = stack_settings.model_copy(update={"index_workers": 2})
    assert [program.name for program in programs_of(settings)] == [
        "valkey",
        "upload",
        "embedding",
        "search",
        "image",
        "worker-0",
        "worker-1",
        "gateway",
        "frontend",
    ]


def test_another_redis_takes_the_place_of_valkey(stack_settings: StackSettings) -> None:
    settings = stack_settings.model_copy(update={"redis_host": "redis.example"})
    assert "valkey" not in [program.name for program in programs_of(settings)]


def test_a_service_on_another_machine_is_not_started_here(stack_settings: StackSettings) -> None:
    settings = stack_settings.model_copy(
        update={
            "embedding_address": "gpu.example:50051",
            "search_address": "127.0.0.1:50052",
            "image_address": "unix:/run/image.sock",
        }
    )
    names = {program.name for program in programs_of(settings)}
    assert names & {"embedding", "search", "image"} == {"search", "image"}


def test_the_page_can_be_left_out(stack_settings: StackSettings) -> None:
    names = [program.name for program in programs_of(stack_settings, frontend=False)]
    assert "frontend" not in names


def test_the_edge_stops_before_the_services_and_the_store_last(
    stack_settings: StackSettings,
) -> None:
    config = configparser.RawConfigParser()
    config.read_string(supervisord_config(stack_settings, programs_of(stack_settings)))
    # supervisord stops the group with the highest priority first
    priority = {g: int(config[f"group:{g}"]["priority"]) for g in ("edge", "services", "store")}
    assert priority["edge"] > priority["services"] > priority["store"]
    assert "gateway" in config["group:edge"]["programs"]
    assert config["group:store"]["programs"] == "valkey"


def test_every_program_is_restarted_without_end_and_has_time_to_finish(
    stack_settings: StackSettings,
) -> None:
    config = configparser.RawConfigParser()
    config.read_string(supervisord_config(stack_settings, programs_of(stack_settings)))
    for program in programs_of(stack_settings):
        section = config[f"program:{program.name}"]
        assert section["autorestart"] == "true"
        assert int(section["stopwaitsecs"]) == 25
        assert section["stdout_logfile"].endswith(f"data/logs/{program.name}.log")


def test_a_percent_sign_in_the_data_folder_is_escaped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIEWFINDER_DATA_DIR", str(tmp_path / "100%"))
    assert "100%%/logs" in supervisord_config(StackSettings(), [STAYS])


def test_processes_see_the_absolute_data_folder_and_one_thread(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIEWFINDER_DATA_DIR", "here")
    environment = environment_of(StackSettings(), {"VIEWFINDER_LISTEN_ADDRESS": "0.0.0.0:1"})
    assert environment["VIEWFINDER_DATA_DIR"] == str(tmp_path / "here")
    assert environment["OMP_NUM_THREADS"] == "1"
    assert environment["VIEWFINDER_LISTEN_ADDRESS"] == ""


# --- what keeps it from starting ---


def test_nothing_is_wrong_with_an_empty_folder(stack_settings: StackSettings) -> None:
    assert problems(stack_settings, [STAYS]) == []


@pytest.mark.parametrize(
    ("name", "variable"), [("gateway", "API_PORT"), ("frontend", "VIEWFINDER_FRONTEND_PORT")]
)
def test_a_taken_port_is_named_with_the_variable_that_changes_it(
    stack_settings: StackSettings, name: str, variable: str
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        settings = stack_settings.model_copy(update={"api_port": port, "frontend_port": port})
        [problem] = problems(settings, [Program(name, "http.server")])
    assert problem == (
        f"Port {port} on 127.0.0.1, for the {name}, is taken by another program;"
        f" choose another with {variable}"
    )


def test_a_data_folder_that_cannot_be_written_is_named(
    tmp_path: Path, stack_settings: StackSettings
) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    [problem] = problems(stack_settings, [STAYS])
    assert f"The data folder {tmp_path / 'data'} cannot be written: File exists" in problem
    assert "VIEWFINDER_DATA_DIR" in problem


def test_a_full_disk_is_noticed_before_anything_is_started(stack_settings: StackSettings) -> None:
    [problem] = problems(stack_settings, [STAYS], free=lambda _: 10 << 20)
    assert "has 10 MB left" in problem


def test_a_missing_package_is_named(stack_settings: StackSettings) -> None:
    [problem] = problems(stack_settings, [Program("ghost", "no_such_room")])
    assert problem.startswith("The package no_such_room is missing")


def test_a_redis_that_does_not_answer_is_named(stack_settings: StackSettings) -> None:
    settings = stack_settings.model_copy(
        update={"redis_host": "127.0.0.1", "redis_port": _free_port()}
    )
    [problem] = problems(settings, [STAYS])
    assert problem.startswith(f"Redis at 127.0.0.1:{settings.redis_port} does not answer")


def test_up_says_which_setting_is_wrong_and_exits_with_2(stack_settings: StackSettings) -> None:
    ran = _viewfinder("up", "--detach", API_PORT="eight thousand")
    assert ran.returncode == 2
    [line] = ran.stderr.splitlines()
    assert line.startswith("API_PORT='eight thousand': ")


def test_up_says_that_the_folder_is_none_and_exits_with_2(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    ran = _viewfinder("up", "--detach", VIEWFINDER_DATA_DIR=str(file), API_PORT=str(_free_port()))
    assert ran.returncode == 2
    assert "cannot be written" in ran.stderr
    assert "Traceback" not in ran.stderr


# --- starting, dying, stopping ---


def test_what_was_started_is_running_and_what_was_stopped_is_gone(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(STAYS)
    stack.start()
    _wait_for(lambda: look(stack).is_ready)
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
    _wait_for(lambda: look(stack).is_ready)
    [before] = stack.processes()
    os.kill(before.pid, signal.SIGKILL)
    _wait_for(lambda: [p.pid for p in stack.processes() if p.pid] != [before.pid])
    _wait_for(lambda: look(stack).is_ready)


def _kill_supervisor(stack: Stack) -> int:
    """Returns the pid of the process it leaves behind."""
    _wait_for(lambda: look(stack).is_ready)
    [process] = stack.processes()
    supervisor = stack.pid()
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    _wait_for(stack.supervisor_died)
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
    _wait_for(lambda: look(second).is_ready)


@pytest.mark.slow  # supervisord takes a second to believe in a process
def test_a_stop_after_the_supervisor_was_killed_ends_what_it_left(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(STAYS)
    stack.start()
    left = _kill_supervisor(stack)
    status = _viewfinder("status")
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
    _wait_for(lambda: "Viewfinder is ready" in shown.getvalue())
    _wait_for(lambda: "stays │ Serving HTTP on 127.0.0.1" in shown.getvalue())
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


class _Gateway(BaseHTTPRequestHandler):
    """Answers GET /ready as its server's `parts` say."""

    def do_GET(self) -> None:
        parts = self.server.parts  # type: ignore[attr-defined]
        ready = all(part["ready"] for part in parts.values())
        self.send_response(200 if ready else 503)
        self.end_headers()
        self.wfile.write(json.dumps({"ready": ready, "parts": parts}).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def gateway(stack_settings: StackSettings) -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", stack_settings.api_port), _Gateway)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_it_is_not_ready_before_the_gateway_says_so(
    make_stack: Callable[..., Stack], gateway: HTTPServer
) -> None:
    gateway.parts = {  # type: ignore[attr-defined]
        "embedding": {"ready": False, "detail": "loading the model"},
        "search": {"ready": True},
    }
    stack = make_stack(Program("gateway", STAYS.module, STAYS.arguments))
    stack.start()
    _wait_for(lambda: look(stack).waiting == {"embedding": "loading the model"})
    gateway.parts["embedding"]["ready"] = True  # type: ignore[attr-defined]
    assert look(stack).is_ready


def test_a_gateway_that_does_not_answer_is_waited_for(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(Program("gateway", STAYS.module, STAYS.arguments))
    stack.start()
    _wait_for(lambda: all(process.is_running for process in stack.processes()))
    assert "unavailable" in look(stack).waiting["gateway"]


def test_a_page_that_does_not_answer_is_waited_for(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(Program("frontend", STAYS.module, STAYS.arguments))
    stack.start()
    _wait_for(lambda: all(process.is_running for process in stack.processes()))
    assert list(look(stack).waiting) == ["frontend"]


def test_a_worker_that_nobody_heard_of_is_waited_for(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(Program("worker-0", STAYS.module, STAYS.arguments))
    stack.start()
    _wait_for(lambda: all(process.is_running for process in stack.processes()))
    assert look(stack).waiting == {"worker-0": "it has not reported yet"}


def test_a_very_long_data_folder_works_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIEWFINDER_DATA_DIR", str(tmp_path / ("deep/" * 30)))
    stack = Stack(StackSettings(), [STAYS])
    stack.start()
    try:
        _wait_for(lambda: look(stack).is_ready)
    finally:
        stack.stop()
        shutil.rmtree(stack.settings.run_dir)


def test_down_and_status_without_anything_running(stack_settings: StackSettings) -> None:
    down, status = _viewfinder("down"), _viewfinder("status", "--json")
    assert (down.returncode, status.returncode) == (0, 1)
    assert "Nothing is running" in down.stdout
    report = json.loads(status.stdout)
    assert (report["running"], report["ready"], report["processes"]) == (False, False, [])


@pytest.mark.slow  # supervisord takes a second to believe in a process
def test_status_lists_what_runs(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(STAYS)
    stack.start()
    _wait_for(lambda: look(stack).is_ready)
    report = json.loads(_viewfinder("status", "--json").stdout)
    [process] = report["processes"]
    assert (process["name"], process["state"]) == ("stays", "RUNNING")
    assert process["memory_mb"] > 1
    assert "stays" in _viewfinder("status").stdout


# --- the log ---


def test_only_new_and_whole_lines_of_a_log_are_shown(tmp_path: Path) -> None:
    file = tmp_path / "gateway.log"
    file.write_text("from yesterday\n")
    logs = LogFollower([file])
    with file.open("a") as log:
        log.write("one\ntw")
        log.flush()
        assert logs.new_lines() == [("gateway", "one")]
        log.write("o\n")
        log.flush()
        assert logs.new_lines() == [("gateway", "two")]
    assert logs.new_lines() == []


def test_a_rotated_log_is_followed_from_its_beginning(tmp_path: Path) -> None:
    file = tmp_path / "gateway.log"
    file.write_text("a long line from before the rotation\n")
    logs = LogFollower([file])
    file.rename(tmp_path / "gateway.log.1")
    assert logs.new_lines() == []
    file.write_text("new\n")
    assert logs.new_lines() == [("gateway", "new")]


def test_json_of_ours_is_shown_in_words_and_the_rest_as_it_is() -> None:
    painter = LinePainter(["gateway", "valkey"])
    entry = {
        "event": "batch done",
        "indexed": 3,
        "timestamp": "2026-01-02T03:04:05.678Z",
        "level": "info",
        "service": "gateway",
    }
    assert painter.paint("gateway", json.dumps(entry)).plain == (
        "gateway │ 03:04:05 batch done indexed=3"
    )
    assert painter.paint("valkey", "# [bold]Ready").plain == "valkey  │ # [bold]Ready"
