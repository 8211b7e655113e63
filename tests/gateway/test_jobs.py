"""Progress of uploads, once and as it happens."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from gateway import jobs
from tests.gateway.conftest import LiveGateway
from tests.gateway.fake_records import IMAGE_ID, JOB_ID, OTHER_ID
from tests.gateway.fake_services import FakeServices
from tests.gateway.waiting import until
from viewfinder.errors import ServiceUnavailable
from viewfinder.v1 import catalog_pb2

EVENTS = f"/jobs/{JOB_ID}/events"


def job(**values: object) -> catalog_pb2.Job:
    return catalog_pb2.Job(job_id=JOB_ID, total=2, **values)


async def test_a_job_says_how_far_it_is(client: httpx.AsyncClient, services: FakeServices) -> None:
    failure = catalog_pb2.JobFailure(image_id=IMAGE_ID, file_name="bad.jpg", reason="broken")
    services.catalog.jobs[JOB_ID] = job(indexed=1, failed=1, done=True, failures=[failure])
    assert (await client.get(f"/jobs/{JOB_ID}")).json() == {
        "job_id": JOB_ID,
        "total": 2,
        "stored": 0,
        "indexed": 1,
        "failed": 1,
        "gone": 0,
        "done": True,
        "failures": [{"image_id": IMAGE_ID, "file_name": "bad.jpg", "reason": "broken"}],
        "created_at": None,
    }


@pytest.mark.parametrize("path", ["", "/events"])
async def test_an_unknown_job_is_a_404(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"/jobs/{OTHER_ID}{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


async def test_an_id_that_is_no_uuid_is_a_422(client: httpx.AsyncClient) -> None:
    assert (await client.get("/jobs/7/events")).status_code == 422


async def test_events_come_until_the_job_is_done(live: LiveGateway, services: FakeServices) -> None:
    for news in (job(stored=2), job(stored=1, indexed=1), job(indexed=2, done=True), None):
        services.catalog.news.put_nowait(news)
    answer = await live.client.get(EVENTS)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    lines = answer.text.splitlines()
    assert [line for line in lines if line.startswith("event:")] == ["event: job"] * 3
    data = [json.loads(line.removeprefix("data:")) for line in lines if line.startswith("data:")]
    assert [one["indexed"] for one in data] == [0, 1, 2]
    assert [one["done"] for one in data] == [False, False, True]


async def test_an_event_comes_when_it_happens(live: LiveGateway, services: FakeServices) -> None:
    services.catalog.news.put_nowait(job(stored=2))
    async with live.client.stream("GET", EVENTS) as answer:
        lines = answer.aiter_lines()
        assert await anext(lines) == "event: job"
        services.catalog.news.put_nowait(job(done=True))
        services.catalog.news.put_nowait(None)
        assert '"done":true' in "".join([line async for line in lines])


async def test_while_nothing_happens_a_comment_keeps_the_connection(
    live: LiveGateway, services: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "HEARTBEAT_S", 0.05)
    async with live.client.stream("GET", EVENTS) as answer:
        assert (await anext(answer.aiter_lines())).startswith(":")


async def test_a_fault_while_watching_is_an_event(
    live: LiveGateway, services: FakeServices
) -> None:
    services.catalog.news.put_nowait(job(stored=2))
    services.catalog.news.put_nowait(ServiceUnavailable(service="upload_service"))
    lines = (await live.client.get(EVENTS)).text.splitlines()
    assert lines[-3] == "event: problem" or "event: problem" in lines
    problem = json.loads([line for line in lines if line.startswith("data:")][-1][5:])
    assert problem["code"] == "service_unavailable"


async def test_who_stops_watching_is_forgotten(live: LiveGateway, services: FakeServices) -> None:
    async with live.client.stream("GET", EVENTS):
        await until(lambda: services.catalog.watchers == 1)
    await until(lambda: services.catalog.watchers == 0)


async def test_many_watch_at_once(live: LiveGateway, services: FakeServices) -> None:
    watching = [asyncio.create_task(live.client.get(EVENTS)) for _ in range(30)]
    await until(lambda: services.catalog.watchers == 30)
    for _ in watching:
        services.catalog.news.put_nowait(None)
    assert {answer.status_code for answer in await asyncio.gather(*watching)} == {200}
