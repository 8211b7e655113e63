"""`python -m worker` as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from viewfinder.settings import SharedSettings

if TYPE_CHECKING:
    from tests.conftest import ValkeyServer

PATIENCE_S = 30


def _worker(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "worker", *arguments],
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow  # starts a process with a decoder
def test_a_worker_whose_peers_are_all_away_waits_and_stops_with_0(valkey: ValkeyServer) -> None:
    with _worker("--queue", "0") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "the catalogue is away" in line:
                break
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, rest
    assert "Traceback" not in rest


def test_a_wrong_setting_is_named_in_one_line_and_ends_with_2(settings: SharedSettings) -> None:
    with _worker(VIEWFINDER_WORKER_BATCH="33") as process:
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    [line] = said.splitlines()
    assert line.startswith("VIEWFINDER_WORKER_BATCH='33': ")
