"""What `viewfinder bench answer` measures with, and what it makes of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bench.answer import MODEL, measure_answers, model_server
from viewfinder.vision.chat import Message, Sampling
from viewfinder.vision.ollama_chat import OllamaChat

MODEL_S = 0.02
GATEWAY_S = 0.03


async def test_the_stand_in_tells_when_it_was_asked_and_when_it_answered() -> None:
    with model_server() as settings:
        chat = OllamaChat(MODEL, settings["OLLAMA_HOST"])
        asked = [Message("user", "?", (b"a picture",))]
        before = time.perf_counter()
        pieces = [piece async for piece in chat.stream(asked, Sampling(0, 10))]
        after = time.perf_counter()
        assert (await chat.state()).sees is True
        await chat.close()
    came, said = (float(number) for number in pieces[0].split())
    assert before < came <= said < after
    assert len(pieces) > 2


@pytest.fixture
def slow_gateway() -> Iterator[str]:
    """Takes GATEWAY_S before it asks a model that takes MODEL_S; searches at once."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            latency = {"count": 0, "p50_ms": 0, "p95_ms": 0, "p99_ms": 0, "mean_ms": 0}
            collection = {"name": "x", "vectors_count": 7, "status": "green", "indexed": False}
            self._send(
                json.dumps(
                    {
                        "latency": dict.fromkeys(("embedding", "search", "total"), latency),
                        "collection": collection,
                        "catalogue": {"total": 7, "by_state": {}, "size_bytes": 1},
                    }
                )
            )

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/search":
                self._send(json.dumps({"query": "", "results": [], "total": 0, "latency_ms": 1}))
                return
            time.sleep(GATEWAY_S)
            asked = time.perf_counter()
            time.sleep(MODEL_S)
            done = {
                "question": body["question"],
                "answer": "",
                "found": True,
                "sources": [],
                "used": [],
                "model": MODEL,
                "timings": {"pictures_ms": 4},
            }
            events: list[tuple[str, Any]] = [
                ("sources", {"sources": [], "model": MODEL}),
                ("token", {"text": f"{asked} {time.perf_counter()}"}),
                ("done", done),
            ]
            self._send(
                "".join(f"event: {name}\ndata: {json.dumps(one)}\n\n" for name, one in events)
            )

        def _send(self, text: str) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_models_own_time_and_a_search_are_taken_off(slow_gateway: str) -> None:
    figures = measure_answers(slow_gateway, questions=3, top_k=1, warm_up=1, seed=0)
    first = float(figures["new_pictures_first_token_p50_ms"])
    beyond = float(figures["new_pictures_beyond_search_p50_ms"])
    search = float(figures["search_p50_ms"])
    assert first >= (GATEWAY_S + MODEL_S) * 1000
    assert beyond + search < first - MODEL_S * 1000 + 1
    assert (figures["vectors"], figures["questions"]) == (7, 3)
    assert figures["new_pictures_fetching_p50_ms"] == 4
