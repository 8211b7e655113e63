"""How long a question takes to its first word, beyond the model's own time and beyond a search.

The model stands in for one that answers at once, and says on the same machine's clock when it was
asked and when it answered; all that is left is Viewfinder's.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import numpy as np

from bench.figures import Figures, machine, summary
from bench.query_texts import varied
from viewfinder.api_answers import AnswerResponse, AnswerSources, AnswerToken
from viewfinder.client import Client

MODEL = "clock"


@contextmanager
def model_server() -> Iterator[dict[str, str]]:
    """The stand-in while it runs; what to set for a gateway to ask it."""
    command = [sys.executable, "-P", "-m", "bench.model_server"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        try:
            yield {
                "LLM_ENABLED": "true",
                "LLM_MODEL": MODEL,
                "LLM_BASE_URL": "",
                "OLLAMA_HOST": f"http://127.0.0.1:{port}",
                "VIEWFINDER_ANSWER_MIN_RELEVANCE": "0",  # every question is to reach the model
            }
        finally:
            process.terminate()


@dataclass(frozen=True)
class _Asked:
    """Seconds, of one question."""

    sources_s: float
    first_token_s: float
    model_s: float
    pictures_s: float


def measure_answers(api_url: str, questions: int, top_k: int, warm_up: int, seed: int) -> Figures:
    """A search, then a question, each with a text of its own, `questions` times; then the same
    questions again, whose pictures have been made small by then.

    Raises:
        ViewfinderError: the gateway is away, or asks another model than the stand-in.
    """
    with Client(api_url) as client:
        texts = list(islice(varied(seed), 2 * questions + 2 * warm_up))
        for text in texts[: 2 * warm_up : 2]:
            client.search(text, top_k=top_k)
            _ask(client, text, top_k)
        searches, fresh, again = list[float](), list[_Asked](), list[_Asked]()
        for searched, asked in zip(
            texts[2 * warm_up :: 2], texts[2 * warm_up + 1 :: 2], strict=True
        ):
            began = time.perf_counter()
            client.search(searched, top_k=top_k)
            searches.append(time.perf_counter() - began)
            fresh.append(_ask(client, asked, top_k))
        # Other words at the end, so that no vector of a text is known.
        again = [_ask(client, f"{text} .", top_k) for text in texts[2 * warm_up + 1 :: 2]]
        vectors = client.stats().collection.vectors_count
    search_s = float(np.median(searches))
    return {
        "vectors": vectors,
        "questions": questions,
        "top_k": top_k,
        **_few("search", searches),
        **_beyond("new_pictures", fresh, search_s),
        **_beyond("known_pictures", again, search_s),
        **machine(),
    }


def _ask(client: Client, text: str, top_k: int) -> _Asked:
    began = time.perf_counter()
    sources_s = first_s = model_s = pictures_s = 0.0
    for event in client.ask_stream(text, top_k=top_k):
        now = time.perf_counter() - began
        if isinstance(event, AnswerSources):
            sources_s = sources_s or now
        elif isinstance(event, AnswerToken) and not first_s:
            asked, answered = (float(number) for number in event.text.split()[:2])
            first_s, model_s = now, answered - asked
        elif isinstance(event, AnswerResponse):
            pictures_s = event.timings.pictures_ms / 1000
    return _Asked(sources_s, first_s, model_s, pictures_s)


def _beyond(name: str, asked: list[_Asked], search_s: float) -> Figures:
    """`beyond_search`: to the first word, less the model's own time and the median search."""
    return {
        **_few(f"{name}_sources", [one.sources_s for one in asked]),
        **_few(f"{name}_first_token", [one.first_token_s for one in asked]),
        **_few(f"{name}_fetching", [one.pictures_s for one in asked]),
        **summary(
            f"{name}_beyond_search",
            [one.first_token_s - one.model_s - search_s for one in asked],
        ),
    }


def _few(name: str, seconds: list[float]) -> Figures:
    wanted = ("_p50_ms", "_p95_ms", "_max_ms")
    return {key: ms for key, ms in summary(name, seconds).items() if key.endswith(wanted)}
