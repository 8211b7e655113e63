"""When a Viewfinder counts as ready."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.cli.small_stack import STAYS, wait_for
from viewfinder.cli.programs import Program
from viewfinder.cli.readiness import look
from viewfinder.cli.stack import Stack
from viewfinder.cli.stack_settings import StackSettings


class _Gateway(BaseHTTPRequestHandler):
    """Answers GET /ready as its server's `parts` say."""

    def do_GET(self) -> None:
        parts = self.server.parts  # type: ignore[attr-defined]
        ready = all(part["ready"] for part in parts.values())
        self.send_response(200 if ready else 503)
        self.end_headers()
        self.wfile.write(json.dumps({"ready": ready, "parts": parts}).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def gateway(stack_settings: StackSettings) -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", stack_settings.api_port), _Gateway)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_it_is_not_ready_before_the_gateway_says_so(
    make_stack: Callable[..., Stack], gateway: HTTPServer
) -> None:
    gateway.parts = {  # type: ignore[attr-defined]
        "embedding": {"ready": False, "detail": "loading the model"},
        "search": {"ready": True},
    }
    stack = make_stack(Program("gateway", STAYS.module, STAYS.arguments))
    stack.start()
    wait_for(lambda: look(stack).waiting == {"embedding": "loading the model"})
    gateway.parts["embedding"]["ready"] = True  # type: ignore[attr-defined]
    assert look(stack).is_ready


def test_a_gateway_that_does_not_answer_is_waited_for(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(Program("gateway", STAYS.module, STAYS.arguments))
    stack.start()
    wait_for(lambda: all(process.is_running for process in stack.processes()))
    assert "unavailable" in look(stack).waiting["gateway"]


def test_a_page_that_does_not_answer_is_waited_for(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(Program("frontend", STAYS.module, STAYS.arguments))
    stack.start()
    wait_for(lambda: all(process.is_running for process in stack.processes()))
    assert list(look(stack).waiting) == ["frontend"]


def test_a_worker_that_nobody_heard_of_is_waited_for(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(Program("worker-0", STAYS.module, STAYS.arguments))
    stack.start()
    wait_for(lambda: all(process.is_running for process in stack.processes()))
    assert look(stack).waiting == {"worker-0": "it has not reported yet"}
