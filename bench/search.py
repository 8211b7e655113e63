"""How fast searches are answered, through the gateway over HTTP, and where the time goes."""

from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from bench.figures import Figures, machine, summary
from bench.http_client import Answer, HttpConnection, HttpTrouble
from bench.made_pictures import write_pictures
from bench.query_texts import repeated, varied
from viewfinder.cli.indexing import Indexer
from viewfinder.cli.output import IndexBars
from viewfinder.client import Client

HOPS = ("client", "gateway", "search_service", "embedding", "index")
_FLOOR_REQUESTS = 200
_NOWHERE = "/nowhere"


@dataclass(frozen=True)
class SearchLoad:
    """What is asked: `requests` searches, `concurrency` at a time, after `warm_up` uncounted ones.

    `cache`: the 15 queries repeat, so that caches answer; else no text comes twice.
    """

    requests: int = 1000
    concurrency: int = 1
    warm_up: int = 50
    top_k: int = 10
    filters: Mapping[str, Any] = field(default_factory=dict)
    cache: bool = False
    exact: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Search:
    """One search: seconds on the client's clock, and milliseconds that the gateway told."""

    seconds: float
    timing_ms: Mapping[str, float]
    hits: int
    cached: bool


@dataclass(frozen=True)
class SearchRun:
    """What was measured. `client_cpu_ms`: this process's own work on a search."""

    load: SearchLoad
    searches: list[Search]
    took_s: float
    client_cpu_ms: float
    floor_s: list[float]
    health_s: list[float]
    stats: Mapping[str, Any]

    @property
    def latencies_s(self) -> list[float]:
        """Of every search, as the client saw it."""
        return [search.seconds for search in self.searches]

    def figures(self) -> Figures:
        """Everything, flat. Hops: what each spent itself, without what it waited for."""
        collection = self.stats["collection"]
        overhead = [one for search in self.searches if (one := _overhead_ms(search)) is not None]
        figures: Figures = {
            "vectors": int(collection["vectors_count"]),
            "dim": int((collection.get("encoder") or {}).get("dim", 0)),
            "graph": int(collection["indexed"]),
            "requests": len(self.searches),
            "concurrency": self.load.concurrency,
            "top_k": self.load.top_k,
            "filtered": int(bool(self.load.filters)),
            "cache": int(self.load.cache),
            "exact": int(self.load.exact),
            **summary("search", self.latencies_s),
            "searches_per_s": round(len(self.searches) / self.took_s, 2),
            "mean_hits": round(float(np.mean([search.hits for search in self.searches])), 2),
            "cached_answers": sum(search.cached for search in self.searches),
        }
        for hop in HOPS:
            own = [times[hop] for search in self.searches if hop in (times := own_times_ms(search))]
            if own:
                figures |= _percentiles(f"hop_{hop}", own)
        if overhead:
            figures |= _percentiles("overhead", overhead)
        return (
            figures
            | {"client_cpu_ms": round(self.client_cpu_ms, 3)}
            | _percentiles("http_floor", [1000 * one for one in self.floor_s])
            | _percentiles("health", [1000 * one for one in self.health_s])
            | machine()
        )


def fill(api_url: str, pictures: int) -> None:
    """Bring made pictures in until there are `pictures`."""
    with Client(api_url) as client:
        missing = pictures - client.stats().collection.vectors_count
        if missing <= 0:
            return
        with tempfile.TemporaryDirectory() as folder, IndexBars(Console()) as bars:
            Indexer(client, [], 4, bars).run(write_pictures(Path(folder), missing, seed=3))


def measure_search(api_url: str, load: SearchLoad, api_key: str = "") -> SearchRun:
    """Search as `load` says.

    Raises:
        HttpTrouble: the gateway is away, or it answers a search with an error.
    """
    return asyncio.run(_measure(api_url, load, api_key))


async def _measure(api_url: str, load: SearchLoad, api_key: str) -> SearchRun:
    texts = repeated() if load.cache else varied(load.seed)
    bodies = (_body(text, load) for text in texts)
    connections = [HttpConnection(api_url, api_key) for _ in range(load.concurrency)]
    async with HttpConnection(api_url, api_key) as first:
        floor_s = await _times(first, _NOWHERE)
        health_s = await _times(first, "/health")
        for body in itertools.islice(bodies, load.warm_up):
            await _search(first, body)
        cpu, began = time.process_time(), time.perf_counter()
        measured = list(itertools.islice(bodies, load.requests))
        queue = iter(measured)
        parts = await asyncio.gather(*(_work(one, queue) for one in connections))
        took_s = time.perf_counter() - began
        cpu_s = time.process_time() - cpu
    async with HttpConnection(api_url, api_key) as last:  # the first was hung up on meanwhile
        stats = _json(await last.get("/stats"))
    searches = [search for part in parts for search in part]
    return SearchRun(load, searches, took_s, 1000 * cpu_s / len(searches), floor_s, health_s, stats)


async def _work(connection: HttpConnection, bodies: Iterator[bytes]) -> list[Search]:
    async with connection:
        return [await _search(connection, body) for body in bodies]


async def _search(connection: HttpConnection, body: bytes) -> Search:
    began = time.perf_counter()
    answer = await connection.post_json("/search", body)
    seconds = time.perf_counter() - began
    found = _json(answer)
    timing = _server_timing(answer.headers.get("server-timing", ""))
    return Search(seconds, timing, len(found["results"]), bool(found.get("cached")))


def own_times_ms(search: Search) -> dict[str, float]:
    """What each hop spent itself, by name in HOPS; those that nothing was told of are left out.

    client: HTTP between, both ends. gateway: it and gRPC. search_service: it and gRPC to the
    encoder. embedding: until the vector is there. index: until the index has answered.
    """
    timing, total = search.timing_ms, 1000 * search.seconds
    times: dict[str, float] = {}
    if "gateway" in timing:
        times["client"] = total - timing["gateway"]
        times["gateway"] = timing["gateway"] - timing.get("service", 0.0)
    if "service" in timing and {"embedding", "index"} <= timing.keys():
        times["search_service"] = timing["service"] - timing["embedding"] - timing["index"]
    times.update({hop: timing[hop] for hop in ("embedding", "index") if hop in timing})
    return times


def _overhead_ms(search: Search) -> float | None:
    """All but encoding and the index."""
    timing = search.timing_ms
    if not {"gateway", "embedding", "index"} <= timing.keys():
        return None
    return timing["gateway"] - timing["embedding"] - timing["index"]


def _body(text: str, load: SearchLoad) -> bytes:
    body: dict[str, Any] = {"query": text, "top_k": load.top_k}
    if load.filters:
        body["filters"] = dict(load.filters)
    if load.exact:
        body["exact"] = True
    return json.dumps(body).encode()


async def _times(connection: HttpConnection, path: str) -> list[float]:
    times = []
    for _ in range(_FLOOR_REQUESTS):
        began = time.perf_counter()
        await connection.get(path)
        times.append(time.perf_counter() - began)
    return times


def _json(answer: Answer) -> dict[str, Any]:
    if answer.status != 200:
        said = answer.body.decode("utf-8", "replace")[:500]
        raise HttpTrouble(f"the gateway answers {answer.status}: {said}")
    found: dict[str, Any] = json.loads(answer.body)
    return found


def _server_timing(header: str) -> dict[str, float]:
    timing = {}
    for entry in filter(None, (part.strip() for part in header.split(","))):
        name, _, duration = entry.partition(";dur=")
        try:
            timing[name] = float(duration)
        except ValueError:
            continue
    return timing


def _percentiles(name: str, ms: list[float]) -> Figures:
    p50, p95 = np.percentile(ms, (50, 95))
    return {f"{name}_p50_ms": round(float(p50), 3), f"{name}_p95_ms": round(float(p95), 3)}
