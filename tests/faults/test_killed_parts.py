"""Parts are killed and data is lost; no picture is."""

from __future__ import annotations

import shutil
import time

import pytest

from tests.end_to_end.conftest import Stack
from tests.faults.own_stack import kill, noise_pictures, wait_until_indexed, wait_until_ready
from viewfinder.ids import new_id

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow,  # starts all services and kills some
    pytest.mark.timeout(300),
]


def test_a_worker_killed_in_the_middle_loses_nothing_and_does_nothing_twice(
    own_stack: Stack,
) -> None:
    job_id = new_id()
    files = noise_pictures(200)
    for start in range(0, 200, 20):
        own_stack.client.upload(files[start : start + 20], job_id=job_id)
    while own_stack.client.job(job_id).indexed == 0:
        time.sleep(0.02)
    kill(own_stack, "-m worker")
    assert own_stack.client.job(job_id).indexed < 200, "killed too late to prove anything"
    wait_until_indexed(own_stack, job_id, 200)
    assert own_stack.client.stats().collection.vectors_count == 200


def test_losing_the_queue_with_all_its_data_loses_no_picture(own_stack: Stack) -> None:
    assert own_stack.data_dir is not None
    job_id = new_id()
    files = noise_pictures(100)
    own_stack.client.upload(files[:50], job_id=job_id)
    kill(own_stack, "valkey")
    shutil.rmtree(own_stack.data_dir / "queue", ignore_errors=True)
    accepted = own_stack.client.upload(files[50:], job_id=job_id)
    assert len(accepted.images) == 50
    wait_until_indexed(own_stack, job_id, 100)


def test_the_embedding_service_killed_under_upload_only_delays(own_stack: Stack) -> None:
    job_id = new_id()
    files = noise_pictures(100)
    own_stack.client.upload(files[:50], job_id=job_id)
    kill(own_stack, "-m embedding_service")
    own_stack.client.upload(files[50:], job_id=job_id)
    wait_until_indexed(own_stack, job_id, 100)


def test_the_index_killed_and_started_again_has_everything_acknowledged(own_stack: Stack) -> None:
    job_id = new_id()
    own_stack.client.upload(noise_pictures(40), job_id=job_id)
    wait_until_indexed(own_stack, job_id, 40)
    kill(own_stack, "-m search_service")
    wait_until_ready(own_stack)
    assert own_stack.client.stats().collection.vectors_count == 40
