"""One log of all processes."""

from __future__ import annotations

import json
from pathlib import Path

from viewfinder.cli.log_stream import LinePainter, LogFollower


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
