from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rq.registry import StartedJobRegistry

from viewfinder.errors import ServiceUnavailable
from viewfinder.queue import Wake, WorkQueue, connect, queue_name
from viewfinder.settings import SharedSettings

if TYPE_CHECKING:
    from tests.conftest import ValkeyServer


@pytest.fixture
def queue(valkey: ValkeyServer) -> WorkQueue:
    return WorkQueue.of(valkey.settings)


def test_many_wakes_make_one_job(queue: WorkQueue) -> None:
    outcomes = [queue.wake() for _ in range(50)]
    assert outcomes == [Wake.WOKEN] + [Wake.ALREADY_AWAKE] * 49
    assert queue.depth() == 1


def test_a_job_names_its_function_and_its_queue_in_json(queue: WorkQueue) -> None:
    queue.wake(3)
    [job] = queue.rq_queue(3).jobs
    assert (job.func_name, list(job.args)) == ("worker.jobs.process_pending", [3])
    assert job.origin == queue_name(3)
    assert job.data.startswith(b"[")


def test_a_wake_after_the_worker_began_to_look_makes_a_new_job(queue: WorkQueue) -> None:
    queue.wake()
    queue.rq_queue(0).pop_job_id()
    queue.mark_looking(0)
    assert queue.wake() is Wake.WOKEN


def test_a_worker_that_is_down_for_long_finds_one_job(queue: WorkQueue) -> None:
    queue.wake()
    queue.mark_looking(0)  # as when the flag ran out
    assert queue.wake() is Wake.ALREADY_AWAKE
    assert queue.depth() == 1


def test_wake_all_wakes_every_worker(valkey: ValkeyServer) -> None:
    queue = WorkQueue(connect(valkey.settings), workers=3)
    assert queue.wake_all() is Wake.WOKEN
    assert [queue.rq_queue(index).count for index in range(3)] == [1, 1, 1]
    assert queue.wake_all() is Wake.ALREADY_AWAKE


def test_without_a_server_a_wake_says_so_and_raises_nothing(settings: SharedSettings) -> None:
    queue = WorkQueue.of(settings)
    assert queue.wake() is Wake.QUEUE_AWAY
    assert queue.wake_all() is Wake.QUEUE_AWAY
    assert queue.ping() is False


def test_without_a_server_the_reaper_raises_a_typed_error(settings: SharedSettings) -> None:
    with pytest.raises(ServiceUnavailable, match="queue is unavailable"):
        WorkQueue.of(settings).reap()


def test_waking_works_again_after_the_server_lost_everything(
    valkey: ValkeyServer, queue: WorkQueue
) -> None:
    queue.wake()
    valkey.lose_everything()
    assert queue.wake() is Wake.QUEUE_AWAY
    valkey.start()
    assert queue.wake() is Wake.WOKEN
    assert queue.depth() == 1


def test_a_wake_survives_a_killed_server(valkey: ValkeyServer, queue: WorkQueue) -> None:
    queue.wake()
    queue.rq_queue(0).connection.execute_command("WAITAOF", 1, 0, 2000)
    valkey.kill()
    valkey.start()
    assert queue.depth() == 1


def test_a_job_taken_by_a_worker_that_died_before_beginning_comes_back(queue: WorkQueue) -> None:
    queue.wake()
    [job_id] = queue.rq_queue(0).job_ids
    queue.rq_queue(0).connection.lmove("rq:queue:viewfinder-index-0", _held(queue), "LEFT", "RIGHT")
    assert queue.depth() == 0
    queue.recover(0)
    assert queue.rq_queue(0).job_ids == [job_id]


def test_recover_leaves_an_untouched_queue_as_it_is(queue: WorkQueue) -> None:
    queue.wake()
    before = queue.rq_queue(0).job_ids
    queue.recover(0)
    assert queue.rq_queue(0).job_ids == before
    assert StartedJobRegistry(queue=queue.rq_queue(0)).count == 0


def _held(queue: WorkQueue) -> str:
    return str(queue.rq_queue(0).intermediate_queue.key)
