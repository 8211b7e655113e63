"""An encoder that is unloaded while nobody needs it: one in memory, however many callers wait."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from embedding_service.encoders.base import Encoder
from embedding_service.encoders.idle import IdleUnloading
from tests.embedding_service.conftest import HistogramEncoder, some_pictures, text_vector


class Made:
    """Counts what was made."""

    def __init__(self) -> None:
        self.encoders: list[HistogramEncoder] = []
        self.fails = False

    def __call__(self) -> Encoder:
        if self.fails:
            raise OSError("the model is gone")
        self.encoders.append(HistogramEncoder())
        return self.encoders[-1]


@pytest.fixture
def made() -> Made:
    return Made()


def wait_until_unloaded(encoder: IdleUnloading) -> None:
    deadline = time.monotonic() + 10
    while encoder.is_loaded and time.monotonic() < deadline:
        time.sleep(0.005)
    assert not encoder.is_loaded


def test_it_is_an_encoder_like_its_own(made: Made) -> None:
    encoder: Encoder = IdleUnloading(made, 60)
    encoder.warm_up()
    assert encoder.spec == made.encoders[0].spec
    assert (encoder.max_batch, encoder.device) == (32, "cpu")
    np.testing.assert_array_equal(encoder.embed_texts(["a"]), [text_vector("a")])
    assert encoder.embed_images(some_pictures(2)).shape == (2, 8)
    assert len(made.encoders) == 1


def test_it_is_dropped_when_idle_and_made_again_when_needed(made: Made) -> None:
    encoder = IdleUnloading(made, 0.05)
    wait_until_unloaded(encoder)
    np.testing.assert_array_equal(encoder.embed_texts(["a"]), [text_vector("a")])
    assert len(made.encoders) == 2
    wait_until_unloaded(encoder)


def test_many_callers_share_the_one_that_is_made(made: Made) -> None:
    encoder = IdleUnloading(made, 0.2)
    wait_until_unloaded(encoder)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: encoder.embed_texts([str(n)]), range(32)))
    assert len(made.encoders) == 2


def test_it_is_not_dropped_while_it_runs(made: Made) -> None:
    encoder = IdleUnloading(made, 0.05)
    first = made.encoders[0]
    first.may_run.clear()
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(encoder.embed_texts, ["slow"])
        first.running.wait(10)
        threading.Event().wait(0.2)
        assert encoder.is_loaded
        first.may_run.set()
        running.result()
    wait_until_unloaded(encoder)


def test_one_that_cannot_be_made_again_fails_the_call_and_the_next_tries_again(made: Made) -> None:
    encoder = IdleUnloading(made, 0.05)
    wait_until_unloaded(encoder)
    made.fails = True
    with pytest.raises(OSError, match="gone"):
        encoder.embed_texts(["a"])
    made.fails = False
    assert encoder.embed_texts(["a"]).shape == (1, 8)
