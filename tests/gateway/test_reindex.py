"""Moving to another encoder, over REST."""

from __future__ import annotations

import httpx

from tests.gateway.fake_services import PIXELS, FakeServices
from viewfinder.errors import InvalidRequest, ServiceUnavailable
from viewfinder.v1 import common_pb2

NEXT = common_pb2.EncoderSpec(name="next", revision="r1", dim=8, pixels=PIXELS)


async def test_the_catalogue_is_told_both_encoders(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.catalog.reindex.state = "running"
    services.catalog.reindex.candidate.CopyFrom(NEXT)
    services.catalog.reindex.total = 7
    answer = await client.post("/reindex", json={"encoder": "next", "hold": True})
    assert answer.status_code == 200
    told = services.catalog.last()
    assert (told.candidate, told.active, told.hold) == (NEXT, services.search.spec, True)
    assert answer.json()["candidate"] == {"name": "next", "revision": "r1", "dim": 8}
    assert (answer.json()["state"], answer.json()["total"]) == ("running", 7)


async def test_a_new_index_has_no_encoder_yet(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.search.spec = None
    await client.post("/reindex", json={"encoder": "next"})
    assert not services.catalog.last().HasField("active")


async def test_an_unknown_encoder_is_a_422(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.embedding.failure = InvalidRequest(field="encoder", value="'x'", allowed="mini")
    answer = await client.post("/reindex", json={"encoder": "x"})
    assert answer.status_code == 422
    assert services.catalog.requests == []


async def test_going_back_is_passed_on(client: httpx.AsyncClient, services: FakeServices) -> None:
    await client.post("/reindex/switch", json={"back": True})
    assert services.catalog.last().back
    await client.post("/reindex/switch", json={})
    assert not services.catalog.last().back


async def test_forgotten_vectors_are_dropped_from_the_index(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.catalog.reindex.dropped.CopyFrom(NEXT)
    answer = await client.delete("/reindex", params={"previous": "true"})
    assert answer.status_code == 200
    assert services.catalog.last().previous
    assert services.search.dropped == [NEXT]


async def test_vectors_that_cannot_be_dropped_now_do_not_fail_the_request(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.catalog.reindex.dropped.CopyFrom(NEXT)
    services.search.failure = ServiceUnavailable(service="search_service")
    assert (await client.delete("/reindex")).status_code == 200


async def test_without_any_move_it_is_idle(client: httpx.AsyncClient) -> None:
    status = (await client.get("/reindex")).json()
    assert (status["state"], status["active"], status["candidate"]) == ("idle", None, None)
