"""How fast searches are answered, through the gateway over HTTP, and where the time goes."""

from __future__ import annotations

import itertools
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console

from bench.figures import Figures, machine, summary
from bench.made_pictures import write_pictures
from viewfinder.cli.indexing import Indexer
from viewfinder.cli.output import IndexBars
from viewfinder.client import Client

QUERIES = (
    "a cat",
    "a cup of coffee on a table",
    "a man with a camera",
    "a motorcycle in a garage",
    "green grass",
    "the moon at night",
    "a rocket on its launch pad",
    "an astronaut in an orange suit",
    "old coins",
    "a page of printed text",
    "a brick wall",
    "a horse",
    "stars and galaxies",
    "a dog running on a beach",
    "children playing football",
)


def fill(api_url: str, pictures: int) -> None:
    """Bring made pictures in until there are `pictures`."""
    with Client(api_url) as client:
        missing = pictures - client.stats().collection.vectors_count
        if missing <= 0:
            return
        with tempfile.TemporaryDirectory() as folder, IndexBars(Console()) as bars:
            Indexer(client, [], 4, bars).run(write_pictures(Path(folder), missing, seed=3))


def measure_search(api_url: str, requests: int, concurrency: int, *, repeat: bool) -> Figures:
    """Latencies of `requests` searches, `concurrency` at a time.

    Without `repeat` every query is another text, so that no cached vector answers.
    """
    numbers = itertools.count()
    with Client(api_url) as client:

        def one(query: str) -> float:
            text = query if repeat else f"{query} {next(numbers)}"
            began = time.perf_counter()
            client.search(text)
            return time.perf_counter() - began

        for query in QUERIES:
            one(query)
        queries = itertools.islice(itertools.cycle(QUERIES), requests)
        began = time.perf_counter()
        with ThreadPoolExecutor(concurrency) as pool:
            latencies = list(pool.map(one, queries))
        took_s = time.perf_counter() - began
        stats = client.stats()
    hops = stats.latency
    return {
        "pictures": stats.collection.vectors_count,
        "requests": requests,
        "concurrency": concurrency,
        "repeated_queries": int(repeat),
        **summary("search", latencies),
        "searches_per_s": round(requests / took_s, 2),
        "gateway_total_p50_ms": hops.total.p50_ms,
        "embedding_p50_ms": hops.embedding.p50_ms,
        "index_p50_ms": hops.search.p50_ms,
        **machine(),
    }
