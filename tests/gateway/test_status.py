"""Is it alive, is it ready, how is it doing."""

from __future__ import annotations

import httpx

from tests.conftest import ValkeyServer
from tests.gateway.conftest import OpenGateway
from tests.gateway.fake_records import IMAGE_ID
from tests.gateway.fake_services import FakeServices
from viewfinder.errors import DeadlineExceeded, ServiceUnavailable


async def test_with_every_part_there_it_is_well(
    valkey: ValkeyServer, client: httpx.AsyncClient
) -> None:
    health = (await client.get("/health")).json()
    assert health.pop("version")
    assert health == {
        "status": "ok",
        "encoder_loaded": True,
        "index_connected": True,
        "redis_connected": True,
        "device": "cpu",
        "encoder": {"name": "mini", "revision": "r1", "dim": 8},
    }


async def test_without_some_part_it_is_degraded_but_alive(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.embedding.failure = ServiceUnavailable(service="embedding_service")
    services.search.failure = DeadlineExceeded(service="search_service")
    answer = await client.get("/health")
    assert answer.status_code == 200
    health = answer.json()
    assert health["status"] == "degraded"
    assert (health["encoder_loaded"], health["index_connected"]) == (False, False)
    assert health["redis_connected"] is False
    assert health["device"] == ""


async def test_with_every_part_there_it_is_ready(
    valkey: ValkeyServer, client: httpx.AsyncClient
) -> None:
    answer = await client.get("/ready")
    assert answer.status_code == 200
    parts = answer.json()["parts"]
    assert {"upload", "embedding", "search", "image", "queue"} <= set(parts)
    assert all(part["ready"] for part in parts.values())


async def test_what_is_not_ready_is_named(open_gateway: OpenGateway) -> None:
    client = await open_gateway(image_address="unix:/nowhere/image.sock")
    answer = await client.get("/ready")
    assert answer.status_code == 503
    assert not answer.json()["ready"]
    parts = answer.json()["parts"]
    away = {name for name, part in parts.items() if not part["ready"]}
    assert away == {"image", "queue"}
    assert all(parts[name]["detail"] for name in away)


async def test_stats_tell_latencies_sizes_and_the_encoder(client: httpx.AsyncClient) -> None:
    for _ in range(3):
        await client.post("/search", json={"query": "a cat"})
    await client.get(f"/images/{IMAGE_ID}/similar")
    stats = (await client.get("/stats")).json()
    assert stats["latency"]["total"]["count"] == 4
    assert stats["latency"]["embedding"]["count"] == 3  # a known picture needs none
    assert stats["latency"]["embedding"]["p50_ms"] == 3.0
    assert stats["latency"]["search"]["p99_ms"] == 2.0
    assert stats["collection"] == {
        "name": "pictures",
        "vectors_count": 3,
        "status": "green",
        "indexed": True,
        "encoder": {"name": "mini", "revision": "r1", "dim": 8},
        "recall": None,
        "recall_samples": 0,
    }
    assert stats["catalogue"] == {
        "total": 4,
        "by_state": {"indexed": 3, "failed": 1},
        "size_bytes": 20_000,
        "documents": 1,
        "pages": 2,
        "to_read": 3,
    }


async def test_stats_without_any_search_are_zero(client: httpx.AsyncClient) -> None:
    total = (await client.get("/stats")).json()["latency"]["total"]
    assert total == {"count": 0, "p50_ms": 0.0, "p95_ms": 0.0, "p99_ms": 0.0, "mean_ms": 0.0}


async def test_requests_are_counted_by_route_not_by_address(client: httpx.AsyncClient) -> None:
    await client.get(f"/images/{IMAGE_ID}")
    text = (await client.get("/metrics")).text
    labels = 'method="GET",route="/images/{image_id}",status="200"'
    assert f"viewfinder_http_requests_total{{{labels}}} 1.0" in text
    assert IMAGE_ID not in text


async def test_odd_methods_and_paths_make_no_new_labels(client: httpx.AsyncClient) -> None:
    for number in range(20):
        await client.request(f"ODD{number}", f"/nowhere/{number}")
    text = (await client.get("/metrics")).text
    lines = [line for line in text.splitlines() if line.startswith("viewfinder_http_requests_t")]
    assert lines == [
        'viewfinder_http_requests_total{method="other",route="none",status="404"} 20.0'
    ]
    assert "ODD" not in text


async def test_a_failure_nobody_foresaw_is_counted_as_a_500(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.search.failure = ArithmeticError("of the service")
    await client.post("/search", json={"query": "a cat"})
    text = (await client.get("/metrics")).text
    assert 'viewfinder_http_requests_total{method="POST",route="/search",status="500"} 1.0' in text
