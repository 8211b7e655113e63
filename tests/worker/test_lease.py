"""Worker processes on a real Valkey: killed, stopped, cut off."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from viewfinder.queue import Wake, WorkQueue, worker_is_alive
from viewfinder.settings import SharedSettings

if TYPE_CHECKING:
    from tests.conftest import ValkeyServer

PATIENCE_S = 30


class Workers:
    """Starts worker processes that note what they do."""

    def __init__(self, folder: Path) -> None:
        self.notes_file = folder / "notes"
        self.log_file = folder / "log"
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, batch_s: float, lease_s: int = 2) -> subprocess.Popen[bytes]:
        script = Path(__file__).parent / "worker_process.py"
        arguments = [str(self.notes_file), str(batch_s), str(lease_s)]
        with self.log_file.open("ab") as log:
            process = subprocess.Popen([sys.executable, str(script), *arguments], stderr=log)
        self.started.append(process)
        return process

    def notes(self) -> list[list[str]]:
        if not self.notes_file.exists():
            return []
        return [line.split() for line in self.notes_file.read_text().splitlines()]

    def log(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.log_file.read_text().splitlines()]

    def wait_for(self, what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not what():
            assert time.monotonic() < deadline, (self.notes(), self.log_file.read_text())
            time.sleep(0.05)

    def wait_for_notes(self, word: str, count: int) -> None:
        self.wait_for(lambda: [note[0] for note in self.notes()].count(word) >= count)


@pytest.fixture
def workers(tmp_path: Path, settings: SharedSettings) -> Iterator[Workers]:
    started = Workers(tmp_path)
    yield started
    for process in started.started:
        process.kill()
        process.wait()


@pytest.fixture
def queue(settings: SharedSettings) -> WorkQueue:
    return WorkQueue.of(settings)


def test_a_worker_looks_for_work_when_it_starts(valkey: ValkeyServer, workers: Workers) -> None:
    workers.start(batch_s=0)
    workers.wait_for_notes("end", 1)


def test_a_wake_while_a_batch_runs_leads_to_another_batch(
    valkey: ValkeyServer, queue: WorkQueue, workers: Workers
) -> None:
    workers.start(batch_s=0.5)
    workers.wait_for_notes("begin", 1)
    workers.wait_for(lambda: queue.wake() is Wake.WOKEN)
    workers.wait_for_notes("end", 2)
    assert len({claim for _, claim in workers.notes()}) == 2


@pytest.mark.slow  # two processes start
def test_the_job_of_a_killed_worker_runs_again_under_the_same_claim_when_it_restarts(
    valkey: ValkeyServer, workers: Workers
) -> None:
    first = workers.start(batch_s=60, lease_s=60)
    workers.wait_for_notes("begin", 1)
    first.kill()
    workers.start(batch_s=0, lease_s=60)
    workers.wait_for_notes("end", 1)
    [[_, killed], *_] = workers.notes()
    workers.wait_for(lambda: ["end", killed] in workers.notes())


@pytest.mark.slow  # waits until a lease has run out
def test_the_job_of_a_killed_worker_is_reaped_when_its_lease_runs_out(
    valkey: ValkeyServer, queue: WorkQueue, workers: Workers
) -> None:
    process = workers.start(batch_s=60)
    workers.wait_for_notes("begin", 1)
    [[_, claim]] = workers.notes()
    process.kill()

    def reaped() -> bool:
        queue.reap()
        return queue.rq_queue(0).job_ids == [claim]

    assert not reaped()
    workers.wait_for(reaped)


@pytest.mark.slow  # a batch longer than its lease
def test_a_lease_is_prolonged_as_long_as_the_worker_lives(
    valkey: ValkeyServer, queue: WorkQueue, workers: Workers
) -> None:
    workers.start(batch_s=4, lease_s=2)
    workers.wait_for_notes("begin", 1)
    while len(workers.notes()) == 1:
        queue.reap()
        time.sleep(0.1)
    assert queue.depth() == 0
    assert [note[0] for note in workers.notes()] == ["begin", "end"]


def test_sigterm_lets_the_batch_finish_and_exits_with_0(
    valkey: ValkeyServer, workers: Workers
) -> None:
    process = workers.start(batch_s=1)
    workers.wait_for_notes("begin", 1)
    process.terminate()
    assert process.wait(timeout=PATIENCE_S) == 0
    assert [note[0] for note in workers.notes()] == ["begin", "end"]


def test_sigterm_ends_an_idle_worker_with_0(valkey: ValkeyServer, workers: Workers) -> None:
    process = workers.start(batch_s=0)
    workers.wait_for_notes("end", 1)
    process.terminate()
    assert process.wait(timeout=PATIENCE_S) == 0


def test_sigterm_ends_a_worker_whose_queue_is_away_with_0(
    settings: SharedSettings, workers: Workers
) -> None:
    process = workers.start(batch_s=0)
    workers.wait_for(lambda: "the queue is away, trying on" in workers.log_file.read_text())
    process.terminate()
    assert process.wait(timeout=PATIENCE_S) == 0


@pytest.mark.slow  # the queue is away for a while
def test_a_worker_waits_out_a_queue_that_loses_everything_and_says_so_once(
    valkey: ValkeyServer, queue: WorkQueue, workers: Workers
) -> None:
    process = workers.start(batch_s=0)
    workers.wait_for_notes("end", 1)
    valkey.lose_everything()
    workers.wait_for(lambda: "the queue is away, trying on" in workers.log())
    time.sleep(2)
    valkey.start()
    workers.wait_for_notes("end", 2)
    assert workers.log() == ["working", "the queue is away, trying on", "the queue is back"]
    assert process.poll() is None


@pytest.mark.slow  # the queue is away while a batch runs
def test_a_batch_survives_a_queue_that_goes_away_under_it(
    valkey: ValkeyServer, queue: WorkQueue, workers: Workers
) -> None:
    process = workers.start(batch_s=1)
    workers.wait_for_notes("begin", 1)
    valkey.lose_everything()
    workers.wait_for_notes("end", 1)
    valkey.start()
    workers.wait_for_notes("end", 2)
    assert process.poll() is None


def test_a_worker_is_known_to_be_alive_while_it_is(
    valkey: ValkeyServer, settings: SharedSettings, workers: Workers
) -> None:
    assert not worker_is_alive(settings, 0)
    process = workers.start(batch_s=0)
    workers.wait_for(lambda: worker_is_alive(settings, 0))
    assert not worker_is_alive(settings, 1)
    process.terminate()
    process.wait(timeout=PATIENCE_S)
    assert not worker_is_alive(settings, 0)
