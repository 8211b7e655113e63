"""Servers that speak a model's protocol over real HTTP, and misbehave when told to.

What they say is made of the pictures they got (looking.py): a wrong picture, a wrong order or a
wrong encoding makes a wrong answer.
"""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from tests.vision import looking
from tests.vision.looking import Seen

MODEL = "stand-in"
NEVER_S = 30.0

Behaviour = Literal[
    "good",
    "refuses",  # connections are closed at once
    "never",  # it takes the request and says nothing
    "never-ends",  # it says two words, and then nothing
    "endless",  # it never stops talking
    "breaks",  # the connection breaks in the middle of an answer
    "stops",  # the answer ends without saying so
    "error-inside",  # an error in the middle of an answer
    "error",  # `status`, with the words `error`
    "garbage",  # something that is not of the protocol
    "not-json",  # of the protocol, but never JSON where JSON was asked for
    "wrong-json",  # JSON of another shape
    "wrong-picture",  # a ranking that names a picture which is not there
    "chatty",  # JSON with words around it
    "sorry",  # JSON only when told what was wrong
    "silent",  # an empty answer
]


@dataclass
class Received:
    """One request, as it came, and what was seen in its pictures."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    seen: list[Seen] = field(default_factory=list)
    at: float = 0.0


@dataclass
class ModelServer:
    """A running server. `behaviour` may be changed at any time; `faults` first requests get it,
    later ones a good answer (None: all get it). `pause_s` between pieces."""

    kind: Literal["ollama", "openai"]
    behaviour: Behaviour = "good"
    faults: int | None = None
    status: int = 500
    error: str = "something is wrong with the model"
    retry_after: str = ""
    pause_s: float = 0.0
    before_first_s: float = 0.0
    models: tuple[str, ...] = (MODEL,)
    sees: bool = True
    obeys_pictures: bool = False
    says: tuple[str, ...] = ()  # in place of what it sees
    refused_colours: frozenset[str] = frozenset()
    api_key: str = ""
    knows: frozenset[str] = frozenset({"json_schema", "json_object", "max_tokens", "temperature"})
    received: list[Received] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)
    running: int = 0
    most_running: int = 0
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def chats(self) -> list[Received]:
        """Requests for answers; not those about models."""
        return [one for one in self.received if one.path.endswith(("/chat", "/completions"))]

    def behaves(self) -> Behaviour:
        """For the request that came just now."""
        if self.faults is not None and len(self.chats) > self.faults:
            return "good"
        return self.behaviour

    def pieces(self, question: str, seen: Sequence[Seen], wants_json: str, tries: int) -> list[str]:
        """What the model says. `wants_json`: the name of the shape, or nothing."""
        behaviour = self.behaves()
        if behaviour == "silent":
            return [""]
        if behaviour == "endless":
            return ["and so on " * 10_000]
        obeys = self.obeys_pictures and any(one.is_injection for one in seen)
        if self.obeys_pictures and looking.INJECTED in question:
            obeys = True
        if obeys:
            return ["HACK", "ED"]
        if not wants_json:
            return list(self.says) or looking.say(question, seen)
        if behaviour == "not-json" or (behaviour == "sorry" and tries == 1):
            return ["Certainly! ", "The first one is the best."]
        if behaviour == "wrong-json":
            return ['{"ranking": "all of them", "admin": true}']
        if behaviour == "wrong-picture":
            return [json.dumps({"ranking": [{"picture": len(seen) + 7, "reason": "hidden"}]})]
        made = looking.rank(question, seen) if wants_json == "ranking" else looking.describe(seen)
        return ["Here it is:\n```json\n", made, "\n```"] if behaviour == "chatty" else [made]


class Handler(BaseHTTPRequestHandler):
    """Base of the two protocols."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    model: ModelServer

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        model = self.model
        size = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(size)) if size else {}
        headers = {name.lower(): value for name, value in self.headers.items()}
        received = Received(self.path, headers, body, at=time.perf_counter())
        with model.lock:
            model.received.append(received)
            model.running += 1
            model.most_running = max(model.most_running, model.running)
        try:
            if not self._misbehaves(model.behaves()):
                self.answer(received)
        except (BrokenPipeError, ConnectionResetError):
            model.left.set()
            self.close_connection = True
        finally:
            with model.lock:
                model.running -= 1

    def _misbehaves(self, behaviour: Behaviour) -> bool:
        if behaviour == "refuses":
            self._cut()
        elif behaviour == "never":
            self._wait_until_left()
        elif behaviour == "error":
            self.send_error_answer(self.model.status, self.model.error)
        elif behaviour == "garbage":
            self._send(200, "text/html", b"<html><h1>Welcome to the router</h1></html>")
        else:
            return False
        return True

    def answer(self, received: Received) -> None:
        raise NotImplementedError

    def send_error_answer(self, status: int, error: str) -> None:
        raise NotImplementedError

    def error_inside(self) -> bytes:
        raise NotImplementedError

    def refuses(self, seen: Sequence[Seen]) -> bool:
        """Whether it does not take one of these pictures, and has said so."""
        is_refused = any(one.colour in self.model.refused_colours for one in seen)
        if is_refused:
            self.send_error_answer(400, "this picture is against our policy")
        return is_refused

    def send_json(self, status: int, value: object) -> None:
        self._send(status, "application/json", json.dumps(value).encode())

    def _send(self, status: int, media_type: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(data)))
        if status == 429 and self.model.retry_after:
            self.send_header("Retry-After", self.model.retry_after)
        self.end_headers()
        self.wfile.write(data)

    def send_stream(self, media_type: str, pieces: Iterable[bytes], end: Iterable[bytes]) -> None:
        """Pieces as chunks, as slowly as is told; ends as is told."""
        behaviour = self.model.behaves()
        self._pause(self.model.before_first_s)
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        pieces = list(pieces)
        sent = iter(pieces * (1 << 20) if behaviour == "endless" else pieces)
        for number, piece in enumerate(sent):
            self._chunk(piece)
            if behaviour == "breaks":
                self._cut()
                return
            if behaviour == "never-ends" and number == 1:
                self._wait_until_left()
                return
            if behaviour == "error-inside" and number == 0:
                self._chunk(self.error_inside())
                self.wfile.write(b"0\r\n\r\n")
                return
            self._pause(self.model.pause_s)
        if behaviour != "stops":
            for piece in end:
                self._chunk(piece)
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _pause(self, seconds: float) -> None:
        """Ends early, as a fault, when the client leaves."""
        if seconds and select.select([self.connection], [], [], seconds)[0]:
            raise ConnectionResetError

    def _wait_until_left(self) -> None:
        self._pause(NEVER_S)
        self._cut()

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


class _Server(ThreadingHTTPServer):
    """When it ends, so do its connections."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler], port: int) -> None:
        self._open: set[Any] = set()
        super().__init__(("127.0.0.1", port), handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def serve(model: ModelServer, handler: type[Handler], port: int = 0) -> Iterator[ModelServer]:
    """Answers on this port, or a free one, while this is open."""

    class Bound(handler):  # type: ignore[misc, valid-type]
        pass

    Bound.model = model
    server = _Server(Bound, port)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    model.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield model
    finally:
        server.shutdown()
        server.server_close()


def dead_address() -> str:
    """Where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"
