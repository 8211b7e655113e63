"""A worker process whose batches do nothing but take their time; see test_lease.py.

`worker_process.py NOTES SECONDS LEASE_S`: each batch adds `begin CLAIM` and `end CLAIM` to NOTES.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import cast

from viewfinder.queue import WorkQueue, connect
from viewfinder.settings import SharedSettings
from viewfinder.telemetry import configure_logging
from worker.batch import BatchRunner, BatchSummary, StopSignal
from worker.jobs import JobContext
from worker.lease import WorkLoop


class SlowRunner:
    def __init__(self, notes: Path, seconds: float) -> None:
        self._notes = notes
        self._seconds = seconds

    def run(self, claim_id: str) -> BatchSummary:
        self._note(f"begin {claim_id}")
        time.sleep(self._seconds)
        self._note(f"end {claim_id}")
        return BatchSummary()

    def _note(self, line: str) -> None:
        with self._notes.open("a") as notes:
            notes.write(f"{line}\n")


def main() -> None:
    configure_logging("worker-0", "json")
    stop = StopSignal()
    signal.signal(signal.SIGTERM, stop.on_signal)
    settings = SharedSettings()
    hints = WorkQueue.of(settings)
    runner = cast(BatchRunner, SlowRunner(Path(sys.argv[1]), float(sys.argv[2])))
    lease_s = int(sys.argv[3])
    WorkLoop(
        0,
        connect(settings, 10.0),
        hints,
        JobContext(runner, hints),
        stop,
        lease_s=lease_s,
        beat_s=lease_s / 4,
    ).run()


if __name__ == "__main__":
    main()
