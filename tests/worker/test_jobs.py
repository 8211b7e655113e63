from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
import structlog.testing

from viewfinder.errors import ServiceUnavailable
from viewfinder.queue import Wake, WorkQueue
from worker.batch import BatchRunner, BatchSummary
from worker.jobs import JobContext, process_pending

if TYPE_CHECKING:
    from tests.conftest import ValkeyServer
    from viewfinder.settings import SharedSettings


class FakeRunner:
    def __init__(self) -> None:
        self.summary = BatchSummary()
        self.error: ServiceUnavailable | None = None
        self.claims: list[str] = []

    def run(self, claim_id: str) -> BatchSummary:
        self.claims.append(claim_id)
        if self.error is not None:
            raise self.error
        return self.summary


@pytest.fixture
def runner() -> FakeRunner:
    return FakeRunner()


def _context(runner: FakeRunner, settings: SharedSettings) -> JobContext:
    return JobContext(cast(BatchRunner, runner), WorkQueue.of(settings))


def test_the_job_is_the_claim(runner: FakeRunner, settings: SharedSettings) -> None:
    _context(runner, settings).process_pending(0, "job-1")
    assert runner.claims == ["job-1"]


def test_more_work_makes_another_job(runner: FakeRunner, valkey: ValkeyServer) -> None:
    runner.summary = BatchSummary(indexed=1, more=True)
    _context(runner, valkey.settings).process_pending(0, "job-1")
    assert WorkQueue.of(valkey.settings).depth() == 1


def test_no_more_work_makes_no_job(runner: FakeRunner, valkey: ValkeyServer) -> None:
    runner.summary = BatchSummary(indexed=1)
    _context(runner, valkey.settings).process_pending(0, "job-1")
    assert WorkQueue.of(valkey.settings).depth() == 0


def test_from_its_beginning_a_wake_makes_a_new_job(
    runner: FakeRunner, valkey: ValkeyServer
) -> None:
    queue = WorkQueue.of(valkey.settings)
    queue.wake()
    queue.rq_queue(0).pop_job_id()
    _context(runner, valkey.settings).process_pending(0, "job-1")
    assert queue.wake() is Wake.WOKEN


def test_a_queue_that_is_away_stops_no_batch(runner: FakeRunner, settings: SharedSettings) -> None:
    runner.summary = BatchSummary(indexed=1, more=True)
    _context(runner, settings).process_pending(0, "job-1")
    assert runner.claims == ["job-1"]


def test_a_catalogue_that_is_away_is_said_once(
    runner: FakeRunner, settings: SharedSettings
) -> None:
    context = _context(runner, settings)
    runner.error = ServiceUnavailable(service="upload_service")
    with structlog.testing.capture_logs() as logs:
        for number in range(3):
            context.process_pending(0, f"job-{number}")
        runner.error = None
        context.process_pending(0, "job-3")
        runner.error = ServiceUnavailable(service="upload_service")
        context.process_pending(0, "job-4")
    assert [entry["event"] for entry in logs] == ["the catalogue is away"] * 2


def test_a_claim_that_the_catalogue_did_not_answer_is_made_again(
    runner: FakeRunner, settings: SharedSettings
) -> None:
    context = _context(runner, settings)
    runner.error = ServiceUnavailable(service="upload_service")
    context.process_pending(0, "job-1")
    context.process_pending(0, "job-2")
    runner.error = None
    context.process_pending(0, "job-3")
    context.process_pending(0, "job-4")
    assert runner.claims == ["job-1", "job-1", "job-1", "job-4"]


def test_outside_of_a_worker_the_job_refuses() -> None:
    with pytest.raises(RuntimeError, match="in a worker only"):
        process_pending(0)
