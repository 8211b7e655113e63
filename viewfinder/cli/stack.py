"""Starts, finds and stops all processes of a Viewfinder on this machine."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from viewfinder.cli.programs import (
    STACK_MARK,
    Program,
    control_socket,
    environment_of,
    supervisord_config,
)
from viewfinder.cli.restore_swap import finish_restore, staging_dir
from viewfinder.cli.stack_settings import StackSettings
from viewfinder.cli.supervisor_client import NotRunningError, ProcessState, SupervisorClient

_START_S = 20.0
_STOP_S = 90.0  # three groups, one after the other, each with its grace
_ORPHAN_GRACE_S = 20.0
_POLL_S = 0.05


class CannotStartError(Exception):
    """Something must be put right first; the text says what, in one line."""


class Stack:
    """All processes over one data folder. At most one supervisord runs for it."""

    def __init__(self, settings: StackSettings, programs: Sequence[Program]) -> None:
        self.settings = settings
        self.programs = programs
        self.client = SupervisorClient(control_socket(settings))
        self._supervisord: subprocess.Popen[bytes] | None = None

    def pid(self) -> int | None:
        """Of supervisord, or None when nothing runs."""
        try:
            return self.client.pid()
        except NotRunningError:
            return None

    def processes(self) -> list[ProcessState]:
        """In the order of `programs`, then those that are not among them; empty when none runs."""
        try:
            found = {process.name: process for process in self.client.processes()}
        except NotRunningError:
            return []
        known = [program.name for program in self.programs if program.name in found]
        return [found[name] for name in [*known, *sorted(set(found) - set(known))]]

    def start(self) -> None:
        """Start supervisord, which starts the rest. What a killed one left behind is ended first.

        Raises:
            CannotStartError: it runs already, or supervisord cannot be started.
        """
        self.settings.logs_dir.mkdir(parents=True, exist_ok=True)
        with self._start_lock():
            running = self.pid()
            if running is not None:
                raise CannotStartError(already_running(running))
            self._tidy()
            config = self.settings.run_dir / "supervisord.conf"
            config.write_text(supervisord_config(self.settings, self.programs), encoding="utf-8")
            first_words = self.settings.run_dir / "supervisord.out"
            with first_words.open("wb") as out:
                self._supervisord = subprocess.Popen(
                    [sys.executable, "-P", "-m", "supervisor.supervisord", "-c", str(config)],
                    env=environment_of(self.settings),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    # A Ctrl-C in this terminal is for us; we stop the stack in order.
                    start_new_session=True,
                )
            self._wait_until_it_answers(first_words)

    def stop(self) -> list[str]:
        """Stop everything in order and wait; the names of what was running, empty if nothing."""
        names = [process.name for process in self.processes() if process.pid]
        pid = self.pid()
        if pid is not None:
            with suppress(NotRunningError):
                self.client.shut_down()
            self._wait_until_gone(pid)
        orphans = end_orphans(self.settings)
        control_socket(self.settings).unlink(missing_ok=True)
        return names or orphans

    def leftovers(self) -> list[str]:
        """Processes that run although their supervisor is gone."""
        return [_describe(process) for process in _marked_processes(str(self.settings.run_dir))]

    def supervisor_died(self) -> bool:
        """Whether supervisord, started here, is gone without having been asked to go."""
        return self._supervisord is not None and self._supervisord.poll() is not None

    @contextmanager
    def kept_down(self, why: str) -> Iterator[None]:
        """Nobody starts it meanwhile; `why` is a participle.

        Raises:
            CannotStartError: it runs, or is being started.
        """
        with self._start_lock():
            running = self.pid()
            if running is not None:
                raise CannotStartError(
                    f"It cannot be {why} while Viewfinder runs on this data folder; stop it with:"
                    " viewfinder down"
                )
            self._tidy()
            yield

    def _tidy(self) -> None:
        """End what a killed supervisor or restore left running, then put the data in order."""
        data_dir = self.settings.data_dir
        for folder in (data_dir, staging_dir(data_dir)):
            end_orphans(self.settings.model_copy(update={"data_dir": folder}))
        finish_restore(data_dir)

    @contextmanager
    def _start_lock(self) -> Iterator[None]:
        self.settings.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.settings.run_dir / "up.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise CannotStartError(
                    "Viewfinder is being started, backed up or restored already on this data"
                    " folder; wait for it"
                ) from None
            yield

    def _wait_until_it_answers(self, first_words: Path) -> None:
        assert self._supervisord is not None
        deadline = time.monotonic() + _START_S
        while self.pid() is None:
            status = self._supervisord.poll()
            if status is not None or time.monotonic() > deadline:
                words = first_words.read_text(errors="replace").strip().splitlines()
                said = words[-1] if words else "it says nothing"
                self._supervisord.kill()
                raise CannotStartError(f"supervisord does not start: {said}")
            time.sleep(_POLL_S)

    def _wait_until_gone(self, pid: int) -> None:
        deadline = time.monotonic() + _STOP_S
        while time.monotonic() < deadline:
            if self._supervisord is not None and self._supervisord.poll() is not None:
                return
            if not _is_alive(pid):
                return
            with suppress(NotRunningError):
                # It may notice only a second later that a child is gone, unless it is asked for
                # something.
                self.client.pid()
            time.sleep(_POLL_S)
        with suppress(ProcessLookupError):
            os.kill(pid, 9)


def already_running(pid: int) -> str:
    """The line for people who start it twice."""
    return (
        f"Viewfinder is already running on this data folder (supervisor's pid {pid});"
        " see it with `viewfinder status`, stop it with `viewfinder down`"
    )


def end_orphans(settings: StackSettings) -> list[str]:
    """End processes of a stack whose supervisor was killed; the names of those that were found."""
    found = list(_marked_processes(str(settings.run_dir)))
    names = [_describe(process) for process in found]
    for process in found:
        with suppress(psutil.Error):
            process.terminate()
    _, alive = psutil.wait_procs(found, timeout=_ORPHAN_GRACE_S)
    for process in alive:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=_ORPHAN_GRACE_S)
    return names


def _marked_processes(mark: str) -> Iterator[psutil.Process]:
    own = {os.getpid(), os.getppid()}
    for process in psutil.process_iter():
        if process.pid in own:
            continue
        with suppress(psutil.Error, OSError):
            if process.environ().get(STACK_MARK) == mark:
                yield process


def _describe(process: psutil.Process) -> str:
    try:
        words = process.cmdline()
        name = process.environ().get("SUPERVISOR_PROCESS_NAME") or " ".join(words[-3:])
    except psutil.Error:
        return str(process.pid)
    return str(name)


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
