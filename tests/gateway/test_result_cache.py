"""Answers kept in a real Valkey: shown while nothing was written, never in the way."""

from __future__ import annotations

import asyncio
import base64
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from search_service.epoch_lease import EpochLease
from tests.conftest import ValkeyServer
from tests.gateway.conftest import OpenGateway
from tests.gateway.fake_records import IMAGE_ID, record, struct
from tests.gateway.fake_services import FakeServices
from tests.gateway.waiting import until
from tests.hostile_files import encoded
from viewfinder.errors import ServiceUnavailable
from viewfinder.redis_run import RedisRuns
from viewfinder.settings import SharedSettings
from viewfinder.v1 import search_pb2

QUERY = {"query": "a cat"}


@pytest.fixture
def gateway_settings(
    gateway_settings: Callable[..., Any], settings: SharedSettings
) -> Callable[..., Any]:
    """Of a patient cache: a busy machine must not look like a Redis that is away."""
    return lambda **values: gateway_settings(**{"cache_timeout_ms": 1000, **values})


@pytest.fixture
async def lease(valkey: ValkeyServer) -> AsyncIterator[EpochLease]:
    """As search_service holds it."""
    lease = EpochLease(RedisRuns(valkey.settings), "viewfinder", lambda: "r1")
    running = asyncio.create_task(lease.run())
    await lease.tell()
    yield lease
    running.cancel()
    await asyncio.wait([running])


@pytest.fixture
async def client(open_gateway: OpenGateway, lease: EpochLease) -> httpx.AsyncClient:
    return await open_gateway()


async def search(client: httpx.AsyncClient, **change: Any) -> dict[str, Any]:
    answer = await client.post("/search", json={**QUERY, **change})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def search_until_cached(client: httpx.AsyncClient, **change: Any) -> dict[str, Any]:
    """Keeping goes on behind the answer, so the next one may come too early."""
    for _ in range(200):
        found = await search(client, **change)
        if found["cached"]:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError("it was never cached")


def hit(name: str) -> search_pb2.Hit:
    return search_pb2.Hit(id=IMAGE_ID, score=0.5, payload=struct(file_name=name))


async def test_the_second_answer_is_the_first_one_and_asks_nobody(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.search.hits = [hit("Katze äöü \u2028.jpg")]
    first = await search(client)
    second = await search_until_cached(client)
    assert first["cached"] is False
    asked = len(services.search.requests)
    assert (await search(client))["cached"] is True
    assert len(services.search.requests) == asked
    own = {"latency_ms", "cached"}
    assert {k: v for k, v in first.items() if k not in own} == {
        k: v for k, v in second.items() if k not in own
    }
    assert second["latency_ms"] > 0


@pytest.mark.parametrize(
    "change",
    [
        {"query": "a dog"},
        {"top_k": 9},
        {"score_threshold": 0.1},
        {"filters": {"category": "pets"}},
    ],
)
async def test_another_question_is_not_answered_by_it(
    client: httpx.AsyncClient, change: dict[str, Any]
) -> None:
    await search_until_cached(client)
    assert (await search(client, **change))["cached"] is False


async def test_filters_are_the_same_in_any_order(client: httpx.AsyncClient) -> None:
    await search_until_cached(client, filters={"category": "pets", "width": {"gte": 1, "lt": 9}})
    again = await search(client, filters={"width": {"lt": 9, "gte": 1}, "category": "pets"})
    assert again["cached"] is True


async def test_after_a_write_was_told_the_search_is_made_again(
    client: httpx.AsyncClient, services: FakeServices, lease: EpochLease
) -> None:
    await search_until_cached(client)
    services.search.hits = [hit("new.jpg")]
    await lease.tell()
    found = await search(client)
    assert found["cached"] is False
    assert found["total"] == 1


async def test_an_answer_begun_before_a_write_is_not_shown_after_it(
    client: httpx.AsyncClient, services: FakeServices, lease: EpochLease
) -> None:
    await search_until_cached(client, query="warm")
    services.search.delay_s = 0.2
    slow = asyncio.create_task(search(client))
    await until(lambda: bool(services.search.requests) and services.search.last().text == "a cat")
    services.search.hits = [hit("new.jpg")]
    await lease.tell()
    after = asyncio.create_task(search(client))
    await slow
    assert (await after)["total"] == 1
    assert (await search(client))["total"] == 1


async def test_equal_searches_at_the_same_time_are_one(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    await search_until_cached(client, query="warm")
    services.search.requests.clear()
    services.search.delay_s = 0.3
    await asyncio.gather(*(search(client) for _ in range(8)))
    assert len(services.search.requests) == 1
    figures = (await client.get("/metrics")).text
    assert 'viewfinder_search_cache_total{outcome="shared"} 7.0' in figures


async def test_who_leaves_takes_a_shared_search_from_nobody(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    await search_until_cached(client, query="warm")
    services.search.requests.clear()
    services.search.delay_s = 0.3
    first, *others = [asyncio.create_task(search(client)) for _ in range(3)]
    await until(lambda: bool(services.search.requests))
    first.cancel()
    found = await asyncio.gather(*others)
    assert [one["total"] for one in found] == [0, 0]
    assert len(services.search.requests) == 1


async def test_an_error_is_shared_and_not_kept(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    await search_until_cached(client, query="warm")
    services.search.requests.clear()
    services.search.delay_s = 0.2
    services.search.failure = ServiceUnavailable(service="embedding_service")
    answers = await asyncio.gather(*(client.post("/search", json=QUERY) for _ in range(3)))
    assert {answer.status_code for answer in answers} == {503}
    services.search.failure = None
    services.search.delay_s = 0
    assert (await search(client))["cached"] is False


async def test_a_picture_is_decoded_and_searched_by_once(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    picture = encoded("PNG", Image.fromarray(np.full((9, 9, 3), 200, np.uint8)))
    body = {"image_base64": base64.b64encode(picture).decode()}

    async def cached() -> bool:
        answer = await client.post("/search/image", json=body)
        return bool(answer.json()["cached"])

    assert await cached() is False
    for _ in range(100):
        if await cached():
            break
    else:
        raise AssertionError("it was never cached")
    other = base64.b64encode(encoded("PNG", Image.new("RGB", (9, 9), "red"))).decode()
    answer = await client.post("/search/image", json={"image_base64": other})
    assert answer.json()["cached"] is False


async def test_a_picture_that_is_gone_is_not_similar_to_anything_any_more(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    address = f"/images/{IMAGE_ID}/similar"
    await client.get(address)
    while not (await client.get(address)).json()["cached"]:
        await asyncio.sleep(0.01)
    services.catalog.records[IMAGE_ID] = record(state="deleting")
    assert (await client.get(address)).status_code == 404


async def test_signed_addresses_are_not_kept_beyond_their_day(
    open_gateway: OpenGateway, lease: EpochLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await open_gateway(api_key="sesame")
    client.headers["X-API-Key"] = "sesame"
    await search_until_cached(client)
    days_later = 3 * 86_400
    import gateway.urls as urls

    now = urls.time.time()
    monkeypatch.setattr(urls.time, "time", lambda: now + days_later)
    assert (await search(client))["cached"] is False


@pytest.mark.parametrize("off", [{"cache_ttl_s": 0}, {"redis_cache_enabled": False}])
async def test_it_can_be_switched_off(
    open_gateway: OpenGateway, lease: EpochLease, off: dict[str, Any]
) -> None:
    client = await open_gateway(**off)
    await asyncio.sleep(0.05)
    assert [(await search(client))["cached"] for _ in range(5)] == [False] * 5


async def test_a_large_answer_is_not_kept(
    open_gateway: OpenGateway, services: FakeServices, lease: EpochLease
) -> None:
    client = await open_gateway(cache_max_entry_bytes=2000)
    await search_until_cached(client)
    services.search.hits = [hit("x" * 1000)] * 3
    await lease.tell()
    for _ in range(5):
        assert (await search(client))["cached"] is False
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("fault", ["killed", "paused", "emptied"])
async def test_without_redis_searches_are_made(
    open_gateway: OpenGateway,
    services: FakeServices,
    valkey: ValkeyServer,
    lease: EpochLease,
    fault: str,
) -> None:
    client = await open_gateway(cache_timeout_ms=20)
    for _ in range(200):
        if (await search(client))["cached"]:
            break
    if fault == "killed":
        valkey.kill()
    elif fault == "paused":
        valkey.send(signal.SIGSTOP)
    else:
        valkey.lose_everything()
        valkey.start()
    services.search.hits = [hit("new.jpg")]
    try:
        for _ in range(10):
            found = await search(client)
            assert (found["cached"], found["total"]) == (False, 1)
            if fault == "emptied":
                break  # from then on it may be kept again
    finally:
        valkey.send(signal.SIGCONT)


async def test_when_redis_is_back_answers_are_kept_again(
    client: httpx.AsyncClient, valkey: ValkeyServer
) -> None:
    await search_until_cached(client)
    valkey.kill()
    for _ in range(5):
        assert (await search(client))["cached"] is False
    valkey.start()
    for _ in range(100):
        if (await search(client))["cached"]:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("never again")


async def test_metrics_tell_hits_and_misses(client: httpx.AsyncClient) -> None:
    await search_until_cached(client)
    await search(client)
    figures = (await client.get("/metrics")).text
    hits = next(line for line in figures.splitlines() if 'outcome="hit"' in line)
    assert float(hits.split()[-1]) >= 2


async def test_kept_answers_are_given_when_searches_are_turned_away(
    open_gateway: OpenGateway, services: FakeServices, lease: EpochLease
) -> None:
    client = await open_gateway(fewest_searches=1, most_searches=1, cache_timeout_ms=1000)
    await search_until_cached(client)
    services.search.delay_s = 0.5
    others = [
        asyncio.create_task(client.post("/search", json={"query": f"query {number}"}))
        for number in range(10)
    ]
    await until(lambda: services.search.last().text.startswith("query"))
    assert (await search(client))["cached"] is True
    assert 429 in {answer.status_code for answer in await asyncio.gather(*others)}
