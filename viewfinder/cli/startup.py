"""From `viewfinder up` to "ready", and in the foreground on to the end."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping

from rich.console import Console

from viewfinder.cli.encoder_upgrade import begin_if_outdated
from viewfinder.cli.log_stream import LinePainter, LogFollower, last_lines, readable
from viewfinder.cli.programs import log_file
from viewfinder.cli.readiness import Readiness, look
from viewfinder.cli.stack import CannotStartError, Stack
from viewfinder.client import Client

_LOG_POLL_S = 0.2
_READY_POLL_S = 0.3
_SHOWN_LINES = 5
# A process whose settings are wrong ends with status 2 and a line that says which. supervisord
# forgets the status of what ends soon after its start, but writes it into its log.
_WRONG_SETTINGS = re.compile(r"exited: (\S+) \(exit status 2;")


class NotReadyError(Exception):
    """It was started, but is not ready in time, or died. The text has the last lines of the log."""


class StackRun:
    """One run of a stack that is not running yet."""

    def __init__(
        self, stack: Stack, console: Console, stopping: threading.Event, timeout_s: float
    ) -> None:
        self._stack = stack
        self._console = console
        self._stopping = stopping
        self._timeout_s = timeout_s
        names = [program.name for program in stack.programs]
        self._painter = LinePainter(names)
        self._logs = LogFollower([log_file(stack.settings, name) for name in names])
        self._supervisor_log = LogFollower([log_file(stack.settings, "supervisord")])

    def detached(self) -> None:
        """Return when everything is ready; the stack stays.

        Raises:
            CannotStartError, NotReadyError: nothing is left running.
        """
        self._stack.start()
        started_s = time.monotonic()
        with self._console.status("Starting ...") as spinner:
            while True:
                now = look(self._stack)
                if now.is_ready:
                    break
                self._stop_if_hopeless(now, started_s)
                spinner.update(f"Starting, waiting for {', '.join(now.waiting)} ...")
                if self._stopping.wait(_READY_POLL_S):
                    self._stack.stop()
                    raise NotReadyError("Stopped before it was ready")
        self._say_ready()
        self._console.print("Stop it with: viewfinder down")

    def in_foreground(self) -> None:
        """Show the logs until SIGINT or SIGTERM, then stop everything.

        Raises:
            CannotStartError, NotReadyError: nothing is left running.
        """
        self._stack.start()
        started_s = time.monotonic()
        is_ready = False
        next_look_s = started_s
        while not self._stopping.is_set():
            self._show_new_lines()
            if self._stack.supervisor_died():
                self._stack.stop()
                raise NotReadyError("The supervisor was killed; everything else is stopped too")
            if not is_ready and time.monotonic() >= next_look_s:
                now = look(self._stack)
                is_ready = now.is_ready
                if is_ready:
                    self._show_new_lines()
                    self._say_ready()
                    self._console.print("Stop it with: Ctrl-C")
                else:
                    self._stop_if_hopeless(now, started_s)
                next_look_s = time.monotonic() + _READY_POLL_S
            self._stopping.wait(_LOG_POLL_S)
        self._console.print("Stopping ...")
        stopper = threading.Thread(target=self._stack.stop, name="stop")
        stopper.start()
        while stopper.is_alive():
            stopper.join(_LOG_POLL_S)
            self._show_new_lines()
        self._console.print("Stopped")

    def _show_new_lines(self) -> None:
        for name, line in self._logs.new_lines():
            self._console.print(self._painter.paint(name, line), soft_wrap=True)

    def _say_ready(self) -> None:
        settings = self._stack.settings
        self._console.print(f"Viewfinder is ready: {settings.api_url}/docs (API)", soft_wrap=True)
        if any(program.name == "frontend" for program in self._stack.programs):
            self._console.print(f"                     {settings.frontend_url} (page)")
        with Client(settings.api_url, api_key=settings.api_key or None) as client:
            told = begin_if_outdated(client)
        if told:
            self._console.print(told, style="yellow", soft_wrap=True)

    def _stop_if_hopeless(self, now: Readiness, started_s: float) -> None:
        lines = [line for _, line in self._supervisor_log.new_lines()]
        hopeless = {match[1] for line in lines if (match := _WRONG_SETTINGS.search(line))}
        if hopeless:
            said = "\n".join(self._last_words(name, 1) for name in sorted(hopeless))
            self._stack.stop()
            raise CannotStartError(said)
        if time.monotonic() - started_s > self._timeout_s:
            text = self._what_waits(now.waiting)
            self._stack.stop()
            raise NotReadyError(text)

    def _what_waits(self, waiting: Mapping[str, str]) -> str:
        parts = [
            f"{name} is not ready: {reason}\n{self._last_words(name, _SHOWN_LINES)}".rstrip()
            for name, reason in waiting.items()
        ]
        return "\n".join(
            [
                f"Not ready after {self._timeout_s:g} s, stopped again"
                " (--timeout waits longer; logs are in"
                f" {self._stack.settings.logs_dir})",
                *parts,
            ]
        )

    def _last_words(self, name: str, count: int) -> str:
        lines = last_lines(log_file(self._stack.settings, name), count)
        return "\n".join(f"  {name} │ {readable(line)}" for line in lines)
