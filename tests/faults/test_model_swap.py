"""Moving to another encoder: searches go on, nothing is lost, also when parts are killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.embedding_service.tiny_store import TINY_ID, tiny_store
from tests.end_to_end.conftest import Stack
from tests.faults.own_stack import kill, noise_pictures, wait_until_indexed, wait_until_ready
from viewfinder.api_models import Reindex
from viewfinder.errors import ViewfinderError
from viewfinder.ids import new_id

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow,  # starts all services and embeds pictures twice
    pytest.mark.timeout(300),
]

PICTURES = 100
PATIENCE_S = 120


@pytest.fixture
def library(own_stack: Stack) -> Stack:
    """Indexed pictures, and another encoder to move to."""
    assert own_stack.data_dir is not None
    tiny_store(own_stack.data_dir / "models")
    job_id = new_id()
    own_stack.client.upload(noise_pictures(PICTURES), job_id=job_id)
    wait_until_indexed(own_stack, job_id, PICTURES)
    return own_stack


class Searches:
    """One after the other, all the time."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.answered = 0
        self.wrong: list[str] = []

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                found = len(self._stack.client.search("noise", top_k=20).results)
            except ViewfinderError as error:
                self.wrong.append(error.message)
            else:
                self.answered += 1
                if found != 20:
                    self.wrong.append(f"{found} results instead of 20")

    @contextmanager
    def going_on(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()


def wait_for_switch(stack: Stack, encoder: str) -> Reindex:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            now = stack.client.reindex()
        except ViewfinderError:
            now = None  # the gateway or the catalogue is starting again
        if now is not None and now.state == "idle" and now.active is not None:
            assert now.active.name == encoder, now
            return now
        time.sleep(0.1)
    raise AssertionError(f"not switched after {PATIENCE_S} s: {stack.client.reindex()}")


def test_searches_and_uploads_go_on_while_the_index_moves_and_back(library: Stack) -> None:
    searches = Searches(library)
    job_id = new_id()
    files = noise_pictures(20)
    with searches.going_on():
        library.client.start_reindex(TINY_ID)
        library.client.upload(files, job_id=job_id)
        wait_for_switch(library, TINY_ID)
        wait_until_indexed(library, job_id, 20)
    assert searches.wrong == []
    assert searches.answered > 0
    stats = library.client.stats()
    assert stats.collection.encoder is not None
    assert stats.collection.encoder.name == TINY_ID
    assert stats.collection.vectors_count == PICTURES + 20
    content = files[0].source
    assert isinstance(content, bytes)
    assert library.client.search_by_image(content).results[0].score > 0.98
    since = library.client.upload(noise_pictures(5))
    wait_until_indexed(library, since.job_id, 5)

    back = library.viewfinder("reindex", "--rollback")
    assert back.returncode == 0, back.stderr
    wait_for_switch(library, "mini")
    wait_until_indexed(library, since.job_id, 5)
    assert library.client.stats().collection.vectors_count == PICTURES + 25
    assert library.client.search_by_image(content).results[0].score > 0.98


def test_parts_killed_meanwhile_cost_nothing(library: Stack) -> None:
    library.client.start_reindex(TINY_ID)
    for part in ("worker", "search_service", "embedding_service", "upload_service"):
        kill(library, f"-m {part}")
        time.sleep(0.5)
    wait_for_switch(library, TINY_ID)
    wait_until_ready(library)
    stats = library.client.stats()
    assert stats.collection.vectors_count == PICTURES
    assert stats.catalogue.by_state == {"indexed": PICTURES}


def test_an_unknown_encoder_is_refused_and_named(own_stack: Stack) -> None:
    ran = own_stack.viewfinder("reindex", "--model", "Nobody--knows")
    assert ran.returncode == 2
    assert "Nobody--knows" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_cancelled_it_leaves_no_vectors_behind(library: Stack) -> None:
    assert library.data_dir is not None
    library.client.start_reindex(TINY_ID, hold=True)
    while library.client.reindex().state != "ready":
        time.sleep(0.1)
    library.client.forget_encoder()
    assert list((library.data_dir / "index" / "beside").iterdir()) == []
    assert library.client.stats().collection.vectors_count == PICTURES
