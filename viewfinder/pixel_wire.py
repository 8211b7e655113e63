"""How pixels.py and pixel_child.py talk: JSON and raw bytes over a socket, files as descriptors.

Request: 4 bytes length, JSON; one file descriptor beside it.
Answer: 4 bytes length of the JSON, 8 bytes length of the payload, JSON, payload. No pickle: what
comes out of a process that met hostile bytes must not be able to run code elsewhere.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any

_REQUEST_HEAD = struct.Struct(">I")
_ANSWER_HEAD = struct.Struct(">IQ")


def send_request(connection: socket.socket, request: dict[str, Any], descriptor: int) -> None:
    """Send one request and the open file it is about.

    Raises:
        OSError: the other side is gone (TimeoutError: it does not read).
    """
    body = json.dumps(request).encode()
    socket.send_fds(connection, [_REQUEST_HEAD.pack(len(body)) + body], [descriptor])


def receive_request(connection: socket.socket) -> tuple[dict[str, Any], int] | None:
    """The next request and its file descriptor; None when the other side is gone."""
    head, descriptors, _, _ = socket.recv_fds(connection, _REQUEST_HEAD.size, 1)
    if len(head) < _REQUEST_HEAD.size or not descriptors:
        return None
    try:
        body = _read(connection, _REQUEST_HEAD.unpack(head)[0], None)
    except EOFError:
        return None
    return json.loads(body), descriptors[0]


def send_answer(
    connection: socket.socket, head: dict[str, Any], payload: bytes | memoryview
) -> None:
    """Send one answer.

    Raises:
        OSError: the other side is gone.
    """
    text = json.dumps(head).encode()
    connection.sendall(_ANSWER_HEAD.pack(len(text), len(payload)) + text)
    connection.sendall(payload)


def receive_answer(connection: socket.socket, timeout_s: float) -> tuple[dict[str, Any], bytearray]:
    """The answer, all of it within `timeout_s`.

    Raises:
        TimeoutError: it took longer.
        EOFError, OSError: the other side is gone.
    """
    deadline = time.monotonic() + timeout_s
    head_size, size = _ANSWER_HEAD.unpack(_read(connection, _ANSWER_HEAD.size, deadline))
    head = json.loads(_read(connection, head_size, deadline))
    return head, _read(connection, size, deadline)


def _read(connection: socket.socket, size: int, deadline: float | None) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        if deadline is not None:
            connection.settimeout(max(0.001, deadline - time.monotonic()))
        count = connection.recv_into(view)
        if count == 0:
            raise EOFError
        view = view[count:]
    return data
