"""Searches that are let in, wait, or are turned away before all become slow."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from gateway.search_gate import AdaptiveLimit, SearchGate
from tests.gateway.conftest import OpenGateway
from tests.gateway.fake_services import FakeServices
from tests.gateway.waiting import until
from viewfinder.errors import DeadlineExceeded, Overloaded, ServiceUnavailable

WINDOW = 16


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def limit_of(lowest: int = 2, highest: int = 64, goal_s: float = 0.1) -> AdaptiveLimit:
    return AdaptiveLimit(lowest, highest, goal_s, Clock())


def feed(limit: AdaptiveLimit, seconds: float, kind: str = "text", windows: int = 1) -> None:
    """Searches that use up the limit and take so long each."""
    for _ in range(windows):
        for _ in range(WINDOW):
            limit.add(kind, seconds, limit.value)


def test_slow_searches_lower_the_limit_and_quick_ones_raise_it() -> None:
    limit = limit_of()
    feed(limit, 0.001)
    risen = limit.value
    feed(limit, 0.3)
    lowered = limit.value
    assert lowered < risen
    feed(limit, 0.05, windows=5)
    assert limit.value > lowered


def test_it_stays_within_its_bounds() -> None:
    limit = limit_of(lowest=3, highest=40)
    feed(limit, 0.001, windows=50)
    assert limit.value == 40
    feed(limit, 9, windows=4)
    assert limit.value == 3


def test_it_settles_where_searches_take_as_long_as_the_goal() -> None:
    """One processor: n at once take n times as long as one, here 10 ms."""
    limit = limit_of(goal_s=0.1)
    seen = []
    for _ in range(60):
        feed(limit, 0.010 * limit.value)
        seen.append(limit.value)
    assert all(5 <= value <= 14 for value in seen[10:])


def test_it_does_not_rise_while_nobody_needs_it() -> None:
    limit = limit_of()
    before = limit.value
    for _ in range(WINDOW * 20):
        limit.add("text", 0.001, 1)
    assert limit.value == before


def test_where_a_lone_search_is_slow_that_is_no_overload() -> None:
    limit = limit_of(goal_s=0.1)
    before = limit.value
    for _ in range(WINDOW * 5):
        limit.add("text", 0.4, 1)
    assert limit.value == before


def test_slow_kinds_are_compared_with_their_own_kind() -> None:
    limit = limit_of(goal_s=0.1)
    before = limit.value
    for _ in range(WINDOW * 5):
        limit.add("image_id", 0.01, 1)
        limit.add("pixels", 0.5, 1)
    assert limit.value == before


async def test_a_burst_is_worked_off() -> None:
    gate = SearchGate(limit_of(lowest=4, highest=4))
    most = 0

    async def one() -> None:
        nonlocal most
        async with gate.slot("text"):
            most = max(most, gate.in_flight)
            await asyncio.sleep(0.001)

    await asyncio.gather(*(one() for _ in range(40)))
    assert most == 4
    assert (gate.in_flight, gate.waiting) == (0, 0)


async def test_a_standing_queue_turns_new_ones_away_soon() -> None:
    clock, shed = Clock(), []
    gate = SearchGate(limit_of(lowest=1, highest=1), lambda: shed.append(1), clock)
    release = asyncio.Event()

    async def hold() -> None:
        async with gate.slot("text"):
            await release.wait()

    holding = asyncio.create_task(hold())
    await until(lambda: gate.in_flight == 1)
    waiting = asyncio.create_task(hold())
    await until(lambda: gate.waiting == 1)
    clock.now += 1
    with pytest.raises(Overloaded) as caught:
        await hold()
    assert caught.value.retry_after_s >= 1
    assert shed == [1]
    release.set()
    await asyncio.gather(holding, waiting, return_exceptions=True)
    assert (gate.in_flight, gate.waiting) == (0, 0)


async def test_who_leaves_the_queue_leaves_no_hole() -> None:
    gate = SearchGate(limit_of(lowest=1, highest=1))
    release = asyncio.Event()

    async def hold() -> None:
        async with gate.slot("text"):
            await release.wait()

    tasks = [asyncio.create_task(hold()) for _ in range(4)]
    await until(lambda: gate.waiting == 3)
    tasks[1].cancel()
    tasks[0].cancel()
    await asyncio.wait(tasks[:2])
    await until(lambda: gate.in_flight == 1)
    release.set()
    await asyncio.gather(*tasks[2:])
    assert (gate.in_flight, gate.waiting) == (0, 0)


@pytest.mark.parametrize("error", [ServiceUnavailable("x"), DeadlineExceeded("x")])
async def test_a_search_that_fails_gives_its_place_back(error: Exception) -> None:
    gate = SearchGate(limit_of())
    with pytest.raises(type(error)):
        async with gate.slot("text"):
            raise error
    assert gate.in_flight == 0


async def test_overload_is_a_429_that_says_when_to_come_again(
    open_gateway: OpenGateway, services: FakeServices
) -> None:
    client = await open_gateway(fewest_searches=2, most_searches=2, cache_ttl_s=0)
    services.search.delay_s = 0.5
    bodies = [{"query": f"query {number}"} for number in range(30)]
    answers = await asyncio.gather(*(client.post("/search", json=body) for body in bodies))
    assert {answer.status_code for answer in answers} == {200, 429}
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(services.search.requests) == 30 - len(refused)
    assert refused[0].headers["content-type"] == "application/problem+json"
    assert refused[0].json()["code"] == "overloaded"
    assert int(refused[0].headers["Retry-After"]) >= 1
    figures = (await client.get("/metrics")).text
    assert f"viewfinder_searches_shed_total {len(refused)}.0" in figures
    assert "viewfinder_searches_limit 2.0" in figures
    assert "viewfinder_searches_in_flight 0.0" in figures


async def test_it_can_be_switched_off(open_gateway: OpenGateway, services: FakeServices) -> None:
    client = await open_gateway(fewest_searches=1, most_searches=1, shed_load=False, cache_ttl_s=0)
    services.search.delay_s = 0.3
    answers = await asyncio.gather(
        *(client.post("/search", json={"query": f"query {number}"}) for number in range(20))
    )
    assert {answer.status_code for answer in answers} == {200}


async def test_other_requests_are_never_turned_away(
    open_gateway: OpenGateway, services: FakeServices
) -> None:
    client: httpx.AsyncClient = await open_gateway(
        fewest_searches=1, most_searches=1, cache_ttl_s=0
    )
    services.search.delay_s = 0.5
    searches = [
        asyncio.create_task(client.post("/search", json={"query": f"query {number}"}))
        for number in range(10)
    ]
    await until(lambda: bool(services.search.requests))
    assert (await client.get("/images")).status_code == 200
    await asyncio.gather(*searches)
