"""What caches are told: never a stale answer, whatever becomes of a real Valkey meanwhile."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from gateway.result_cache import ResultCache
from search_service.collection_set import CollectionSet
from search_service.epoch_lease import EpochLease
from tests.conftest import ValkeyServer
from tests.search_service.points import SPEC, some_points
from viewfinder.errors import EncoderMismatch
from viewfinder.redis_run import RedisRuns, epoch_key
from viewfinder.settings import SharedSettings

LEASE_S = 0.4
OTHER = "viewfinder:answer:test:1"


@asynccontextmanager
async def holding(settings: SharedSettings, **values: Any) -> AsyncIterator[EpochLease]:
    lease = EpochLease(RedisRuns(settings), "test", lambda: "r1", **values)
    running = asyncio.create_task(lease.run())
    try:
        yield lease
    finally:
        running.cancel()
        await asyncio.wait([running])


@pytest.fixture
async def lease(valkey: ValkeyServer) -> AsyncIterator[EpochLease]:
    async with holding(valkey.settings, lease_s=LEASE_S) as lease:
        yield lease


@pytest.fixture
async def cache(settings: SharedSettings) -> AsyncIterator[ResultCache]:
    cache = ResultCache(RedisRuns(settings), "test", ttl_s=60, max_entry_bytes=999, timeout_s=1)
    yield cache
    await cache.close()


async def token_of(cache: ResultCache) -> bytes | None:
    return (await cache.look(OTHER)).token


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + 20
    while not await condition():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.02)


async def has_no_token(cache: ResultCache) -> bool:
    return await token_of(cache) is None


async def test_every_write_has_a_token_of_its_own(lease: EpochLease, cache: ResultCache) -> None:
    tokens = []
    for _ in range(5):
        await lease.tell()
        tokens.append(await token_of(cache))
    assert None not in tokens
    assert len(set(tokens)) == 5
    assert all(token is not None and token.startswith(b"r1:") for token in tokens)


@pytest.mark.slow  # outlives two leases
async def test_the_lease_is_kept_and_ends_with_its_holder(
    valkey: ValkeyServer, cache: ResultCache
) -> None:
    async with holding(valkey.settings, lease_s=1) as lease:
        await lease.tell()
        token = await token_of(cache)
        await asyncio.sleep(2.5)  # its lease would have ended twice
        assert await token_of(cache) == token is not None
    await eventually(lambda: has_no_token(cache))


async def test_two_holders_of_one_index_never_bring_an_earlier_token_back(
    valkey: ValkeyServer, lease: EpochLease, cache: ResultCache
) -> None:
    async with holding(valkey.settings, lease_s=LEASE_S) as other:
        seen = []
        for one in (lease, other) * 5:
            await one.tell()
            seen.append(await token_of(cache))
            await asyncio.sleep(LEASE_S / 4)
        assert None not in seen
        assert len(set(seen)) == len(seen)


async def test_many_writes_at_once_share_their_tokens(
    lease: EpochLease, cache: ResultCache
) -> None:
    await lease.tell()
    before = await token_of(cache)
    await asyncio.gather(*(lease.tell() for _ in range(200)))
    assert await token_of(cache) not in (None, before)


async def test_a_write_waits_until_nothing_can_hold_when_redis_stops_answering(
    valkey: ValkeyServer, lease: EpochLease, cache: ResultCache
) -> None:
    await lease.tell()
    token = await token_of(cache)
    assert token is not None
    valkey.send(signal.SIGSTOP)
    try:
        await lease.tell()
    finally:
        valkey.send(signal.SIGCONT)
    assert await token_of(cache) != token


async def test_writes_go_on_without_waiting_once_redis_is_known_to_be_away(
    valkey: ValkeyServer, lease: EpochLease
) -> None:
    await lease.tell()
    valkey.kill()
    await lease.tell()
    started = time.monotonic()
    for _ in range(20):
        await lease.tell()
    # Each would wait for a lease otherwise; this is what the test is about, not how fast it is.
    assert time.monotonic() - started < 10 * LEASE_S


async def test_writes_go_on_without_waiting_when_redis_refuses(
    valkey: ValkeyServer, lease: EpochLease
) -> None:
    await lease.tell()
    with Redis(unix_socket_path=str(valkey.settings.redis_socket)) as redis:
        redis.config_set("min-replicas-to-write", 1)  # NOREPLICAS to every write
        await asyncio.sleep(2 * LEASE_S)
        started = time.monotonic()
        for _ in range(20):
            await lease.tell()
        assert time.monotonic() - started < 10 * LEASE_S


async def test_a_token_of_an_earlier_run_of_redis_says_nothing(
    valkey: ValkeyServer, cache: ResultCache
) -> None:
    """As an append-only file brings it back that lacks the last second."""
    runs = RedisRuns(valkey.settings)
    run = await runs.look(5)
    with Redis(unix_socket_path=str(valkey.settings.redis_socket)) as redis:
        redis.set(epoch_key("test", run), "r1:old", ex=60)
        redis.set(OTHER, b"r1:old\nold answer")
        assert (await cache.look(OTHER)).answer == b"old answer"
        redis.wait(0, 0)
        await asyncio.sleep(1.5)  # the file is written once a second
        await runs.close()
        valkey.kill()
        valkey.start()
        assert redis.get(epoch_key("test", run)) == b"r1:old"
    await eventually(lambda: _tries(cache))
    assert await cache.look(OTHER) == await cache.look("nothing")
    assert await token_of(cache) is None


async def _tries(cache: ResultCache) -> bool:
    await cache.look(OTHER)
    return cache._faults == 0


async def test_a_command_that_redis_finds_after_a_pause_prolongs_nothing(
    valkey: ValkeyServer, cache: ResultCache
) -> None:
    runs = RedisRuns(valkey.settings)
    run = await runs.look(5)
    key = epoch_key("test", run)
    end = run.clock_after(0.3)
    await runs.call(lambda _: [["SET", key, "r1:a", "PXAT", end]], 5)
    assert await token_of(cache) == b"r1:a"
    valkey.send(signal.SIGSTOP)
    with suppress(Exception):
        late = run.clock_after(0.3)
        await runs.call(lambda _: [["PEXPIREAT", key, late]], 0.1)
    await asyncio.sleep(0.5)
    valkey.send(signal.SIGCONT)
    await eventually(lambda: _tries(cache))
    assert await token_of(cache) is None
    await runs.close()


FAULTS = ("kill", "kill and lose", "pause short", "pause long", "empty")


@pytest.mark.slow  # about two dozen faults of some tenths of a second each
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_no_answer_is_ever_older_than_an_acknowledged_write(
    valkey: ValkeyServer, lease: EpochLease, seed: int
) -> None:
    """Writers, readers, and a Valkey that is killed, paused and emptied under them."""
    random_ = random.Random(seed)
    state = acknowledged = hits = 0
    stale: list[str] = []
    over = asyncio.Event()

    async def write() -> None:
        nonlocal state, acknowledged
        while not over.is_set():
            state += 1
            mine = state
            await lease.tell()
            acknowledged = max(acknowledged, mine)
            await asyncio.sleep(random_.random() * 0.05)

    async def read(number: int) -> None:
        nonlocal hits
        runs = RedisRuns(valkey.settings, limit=2)
        cache = ResultCache(runs, "test", ttl_s=60, max_entry_bytes=999, timeout_s=0.1)
        while not over.is_set():
            known = acknowledged
            looked = await cache.look(f"{OTHER}{number % 2}")
            if looked.answer is not None:
                hits += 1
                if int(looked.answer) < known:
                    stale.append(f"{looked.answer!r} shown after {known} was acknowledged")
            elif looked.token is not None:
                found = state
                await asyncio.sleep(random_.random() * 0.01)
                cache.keep(f"{OTHER}{number % 2}", looked.token, str(found).encode())
            await asyncio.sleep(random_.random() * 0.003)
        await cache.close()

    working = [asyncio.create_task(write()) for _ in range(2)]
    working += [asyncio.create_task(read(number)) for number in range(4)]
    for _ in range(8):
        await asyncio.sleep(random_.random() * 0.6)
        await _inflict(random_.choice(FAULTS), valkey, random_)
    await asyncio.sleep(1.0)
    over.set()
    await asyncio.gather(*working)
    assert stale == []
    assert hits > 100
    assert acknowledged > 50


async def _inflict(fault: str, valkey: ValkeyServer, random_: random.Random) -> None:
    if fault.startswith("kill"):
        valkey.kill()
        if fault == "kill and lose":
            shutil.rmtree(valkey.folder)
        await asyncio.sleep(random_.random() * 0.8)
        await asyncio.to_thread(valkey.start)
    elif fault.startswith("pause"):
        valkey.send(signal.SIGSTOP)
        await asyncio.sleep(0.15 if fault == "pause short" else 1.2)
        valkey.send(signal.SIGCONT)
    else:
        with Redis(unix_socket_path=str(valkey.settings.redis_socket)) as redis:
            redis.flushall()


async def test_all_that_changes_answers_is_told(collections: CollectionSet) -> None:
    told = 0

    async def tell() -> None:
        nonlocal told
        told += 1

    collections.tell_caches = tell
    points, vectors = some_points(3)
    counts = []
    for change in (
        lambda: collections.upsert(SPEC, points, vectors, beside=False),
        lambda: collections.set_payload(points),
        lambda: collections.delete([points[0].id]),
        lambda: collections.switch(SPEC),
    ):
        await change()
        counts.append(told)
    assert counts == [1, 2, 3, 4]


async def test_a_write_that_fails_is_told_too(collections: CollectionSet) -> None:
    points, vectors = some_points(3)
    await collections.upsert(SPEC, points, vectors, beside=False)
    told = 0

    async def tell() -> None:
        nonlocal told
        told += 1

    collections.tell_caches = tell
    other = replace(SPEC, revision="another")
    with pytest.raises(EncoderMismatch):
        await collections.upsert(other, points, vectors, beside=False)
    assert told == 1


async def test_a_caller_that_leaves_does_not_keep_caches_from_being_told(
    collections: CollectionSet,
) -> None:
    told = asyncio.Event()

    async def tell() -> None:
        told.set()

    collections.tell_caches = tell
    points, vectors = some_points(3)
    writing = asyncio.create_task(collections.upsert(SPEC, points, vectors, beside=False))
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.wait([writing])
    await asyncio.wait_for(told.wait(), 20)
    assert await collections.active.count() == 3
