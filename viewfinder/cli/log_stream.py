"""Follows the logs of all processes as one stream, a colour for each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

_COLOURS = ("cyan", "green", "magenta", "blue", "yellow", "bright_cyan", "bright_magenta")
_LEVEL_STYLES = {"warning": "yellow", "error": "bold red", "critical": "bold red", "debug": "dim"}
_SHOWN_ELSEWHERE = {"event", "level", "timestamp", "service", "exception"}
_MOST_BYTES = 1 << 20  # of one file and look; a flood is not worth more memory


class LogFollower:
    """New lines of each file since the last look, from where the files end now."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._positions = {file: _size(file) for file in files}
        self._halves: dict[Path, bytes] = {}

    def new_lines(self) -> list[tuple[str, str]]:
        """(process, line) of everything written since the last call, a file after the other."""
        return [
            (file.stem, line)
            for file in self._positions
            for line in self._new_text(file).decode(errors="replace").splitlines()
        ]

    def _new_text(self, file: Path) -> bytes:
        size = _size(file)
        if size < self._positions[file]:  # rotated
            self._positions[file] = 0
            self._halves.pop(file, None)
        if size == self._positions[file]:
            return b""
        try:
            with file.open("rb") as log:
                log.seek(self._positions[file])
                text = log.read(_MOST_BYTES)
        except FileNotFoundError:
            return b""
        self._positions[file] += len(text)
        whole, newline, half = (self._halves.pop(file, b"") + text).rpartition(b"\n")
        if half:
            self._halves[file] = half
        return whole + newline


def last_lines(file: Path, count: int) -> list[str]:
    """The end of a log."""
    try:
        with file.open("rb") as log:
            log.seek(max(0, _size(file) - 16384))
            return log.read().decode(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        return []


class LinePainter:
    """Turns a line of a log into a coloured one. JSON lines of ours become readable."""

    def __init__(self, names: Sequence[str]) -> None:
        self._width = max((len(name) for name in names), default=0)
        self._colours = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(names)}

    def paint(self, name: str, line: str) -> Text:
        """`name │ time event key=value ...`."""
        text = Text(f"{name:<{self._width}} │ ", style=self._colours.get(name, "white"))
        text.append_text(readable(line))
        return text


def readable(line: str) -> Text:
    """One line of a log without its name: JSON of ours in words, everything else as it is."""
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict) or "event" not in entry:
        return Text(line)
    style = _LEVEL_STYLES.get(str(entry.get("level", "")), "")
    text = Text()
    moment = str(entry.get("timestamp", ""))[11:19]
    if moment:
        text.append(f"{moment} ", style="dim")
    text.append(str(entry["event"]), style=style)
    for key, value in entry.items():
        if key not in _SHOWN_ELSEWHERE:
            text.append(f" {key}=", style="dim")
            text.append(str(value))
    if entry.get("exception"):
        text.append(f"\n{entry['exception']}", style="red")
    return text


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
