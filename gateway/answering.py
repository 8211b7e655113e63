"""From a search request to its answer: kept, shared with an equal one, or found."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, TypeAlias

from fastapi import Response

from gateway.latency import SearchLatencies
from gateway.metrics import Metrics
from gateway.result_cache import ResultCache, entry_key
from gateway.search_gate import SearchGate
from gateway.server_timing import follow_hops, note_hops, server_timing
from gateway.single_flight import SingleFlight
from gateway.urls import Urls
from viewfinder import api_models as api
from viewfinder.v1 import search_pb2

_MS = 1000.0
_OF_THIS_REQUEST = {"latency_ms", "cached"}
_FORM = f"{version('viewfinder')}/1".encode()
"""Answers kept by another version may look otherwise."""

FindAnswer: TypeAlias = Callable[[], Coroutine[Any, Any, api.SearchResponse]]


@dataclass(frozen=True)
class Answering:
    """What all searches share. Has the figures of each in metrics and latencies."""

    collection: str
    urls: Urls
    cache: ResultCache
    gate: SearchGate
    flights: SingleFlight[bytes]
    metrics: Metrics
    latencies: SearchLatencies

    async def answer(
        self,
        start: float,
        asked: search_pb2.SearchRequest,
        find: FindAnswer,
        beside: Sequence[bytes] = (),
    ) -> Response:
        """The answer to `asked`, made by `find` where none is kept.

        `asked` and `beside` must hold all that the answer depends on, but for the index itself.
        `start` is when the request came, by `time.perf_counter`.
        """
        hops = follow_hops()
        key = entry_key(
            self.collection,
            [_FORM, self.urls.period, asked.SerializeToString(deterministic=True), *beside],
        )
        looked = await self.cache.look(key)
        body = looked.answer
        if body is not None:
            self.metrics.cache.labels("hit").inc()
        elif looked.token is None:
            # Without a token nobody can tell whether one under way is of before a write.
            self.metrics.cache.labels("bypass").inc()
            body = await self._found(find)
        else:
            token = looked.token

            async def find_and_keep() -> bytes:
                found = await self._found(find)
                self.cache.keep(key, token, found)
                return found

            body, shared = await self.flights.run((token, key), find_and_keep)
            self.metrics.cache.labels("shared" if shared else "miss").inc()
        latency_ms = (time.perf_counter() - start) * _MS
        self.latencies.total.add(latency_ms)
        self.metrics.hops.labels("total").observe(latency_ms / _MS)
        cached = b"true" if looked.answer is not None else b"false"
        return Response(
            b'%b,"latency_ms":%.3f,"cached":%b}' % (body[:-1], latency_ms, cached),
            headers={
                "Cache-Control": "no-store",
                "Server-Timing": server_timing({"gateway": latency_ms, **hops}),
            },
            media_type="application/json",
        )

    async def ask(
        self,
        call: Callable[[search_pb2.SearchRequest], Coroutine[Any, Any, search_pb2.SearchResponse]],
        request: search_pb2.SearchRequest,
    ) -> search_pb2.SearchResponse:
        """What search_service answers, once the search is let in.

        Raises:
            Overloaded: it is not, too many wait. Whatever `call` raises.
        """
        kind = request.WhichOneof("query") or ""
        request.payload_as_json = True
        async with self.gate.slot(kind):
            found = await call(request)
        note_hops(
            {"service": found.service_ms, "embedding": found.embed_ms, "index": found.index_ms}
        )
        self.latencies.search.add(found.index_ms)
        self.metrics.hops.labels("index").observe(found.index_ms / _MS)
        if kind != "image_id":
            self.latencies.embedding.add(found.embed_ms)
            self.metrics.hops.labels("embedding").observe(found.embed_ms / _MS)
        return found

    async def _found(self, find: FindAnswer) -> bytes:
        found = await find()
        return found.model_dump_json(exclude=_OF_THIS_REQUEST).encode()
