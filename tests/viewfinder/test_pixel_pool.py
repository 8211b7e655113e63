"""Children die, hang and run out of memory; the pool lives on."""

from __future__ import annotations

import os
import signal
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest

from tests.hostile_files import encoded, png
from viewfinder.errors import BrokenImage
from viewfinder.pixels import PixelLimits, PixelPool, PixelSpec

SPEC = PixelSpec(16)
GOOD = encoded("JPEG")
SIDE = 7000


def children(pool: PixelPool) -> list[psutil.Process]:
    """The decoders of this pool."""
    return [psutil.Process(process_id) for process_id in pool.process_ids]


def large_picture() -> bytes:
    """49 megapixels in 48 KB."""
    return png(SIDE, SIDE, zlib.compress(bytes(SIDE * (SIDE + 1)), 1), colour=0)


def test_a_decoder_killed_while_idle_is_replaced_unnoticed() -> None:
    with PixelPool() as pool:
        before = pool.prepare(GOOD, SPEC)
        (child,) = children(pool)
        child.kill()
        assert np.array_equal(pool.prepare(GOOD, SPEC), before)


def test_pictures_survive_that_decoders_are_killed_at_work() -> None:
    with PixelPool(processes=2) as pool, ThreadPoolExecutor(1) as threads:
        for _ in range(6):
            pool.warm_up()
            batch = threads.submit(pool.prepare_many, [GOOD] * 300, SPEC)
            time.sleep(0.02)
            children(pool)[0].kill()
            assert all(isinstance(result, np.ndarray) for result in batch.result())


def test_a_decoder_that_hangs_is_killed_and_only_its_picture_fails() -> None:
    with PixelPool(limits=PixelLimits(timeout_s=0.1)) as pool:
        pool.warm_up()
        (child,) = children(pool)
        os.kill(child.pid, signal.SIGSTOP)
        with pytest.raises(BrokenImage, match="takes longer"):
            pool.prepare(GOOD, SPEC)
        assert not child.is_running()
        assert pool.prepare(GOOD, SPEC).shape == (16, 16, 3)


def test_work_beyond_the_cpu_limit_is_ended_inside_of_c_code() -> None:
    with PixelPool(limits=PixelLimits(timeout_s=0.3)) as pool:
        with pytest.raises(BrokenImage, match="takes longer"):
            pool.render(large_picture(), SIDE, "webp")
        assert pool.prepare(GOOD, SPEC).shape == (16, 16, 3)


@pytest.mark.slow  # spends 1.5 s of CPU time on purpose
def test_the_cpu_limit_is_for_one_picture_not_for_all() -> None:
    with PixelPool(limits=PixelLimits(timeout_s=1.0)) as pool:
        picture = encoded("PNG")
        for _ in range(30):
            pool.render(picture, 64, "webp")
        (child,) = children(pool)
        while sum(child.cpu_times()[:2]) < 1.5:
            pool.prepare(large_picture(), SPEC)
        assert children(pool) == [child]


def test_a_picture_that_needs_too_much_memory_fails_alone() -> None:
    with PixelPool(limits=PixelLimits(memory_bytes=500 << 20)) as pool:
        with pytest.raises(BrokenImage):
            pool.render(large_picture(), SIDE, "webp")
        assert pool.prepare(GOOD, SPEC).shape == (16, 16, 3)


def test_the_limit_of_pixels_is_a_setting() -> None:
    with PixelPool(limits=PixelLimits(max_pixels=SIDE * SIDE)) as pool:
        assert pool.inspect(large_picture(), "large.png").width == SIDE


def test_many_threads_share_a_pool() -> None:
    with PixelPool(processes=2) as pool, ThreadPoolExecutor(8) as threads:
        sources = [encoded("PNG"), GOOD] * 20
        results = list(threads.map(lambda source: pool.prepare(source, SPEC), sources))
    for first, second in zip(results[2:], results, strict=False):
        assert np.array_equal(first, second)


def test_a_closed_pool_leaves_no_process() -> None:
    with PixelPool(processes=2) as pool:
        pool.warm_up()
        running = children(pool)
        assert len(running) == 2
    assert not any(child.is_running() for child in running)


def test_a_decoder_gets_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with PixelPool() as pool:
        pool.warm_up()
        (child,) = children(pool)
        assert "OPENAI_API_KEY" not in child.environ()
