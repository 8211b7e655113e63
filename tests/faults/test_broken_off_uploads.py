"""Uploads that end in the middle leave nothing behind, and can simply be sent again."""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit

import pytest

from tests.end_to_end.conftest import Stack
from tests.faults.own_stack import kill, noise_pictures, wait_until_indexed, wait_until_ready
from viewfinder.client import FileToUpload
from viewfinder.errors import ServiceUnavailable

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow,  # starts all services and kills some
    pytest.mark.timeout(300),
]

BOUNDARY = "half-a-picture"
CLOSING = f"\r\n--{BOUNDARY}--\r\n".encode()


def begin_upload(stack: Stack, content: bytes) -> socket.socket:
    """Send the head of a form and two thirds of its only file, and wait until it is on its way."""
    address = urlsplit(stack.api_url)
    connection = socket.create_connection((address.hostname, address.port), timeout=30)
    before = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="half.jpg"\r\n\r\n'
    ).encode()
    head = (
        f"POST /images HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
        f"Content-Length: {len(before) + len(content) + len(CLOSING)}\r\n\r\n"
    ).encode()
    connection.sendall(head + before + content[: len(content) * 2 // 3])
    assert stack.data_dir is not None
    deadline = time.monotonic() + 30
    while not any((stack.data_dir / "originals").rglob("*.part")):
        assert time.monotonic() < deadline, "nothing of the file has arrived"
        time.sleep(0.01)
    return connection


def nothing_is_left(stack: Stack) -> bool:
    """Whether neither row nor bytes are there, at the latest after some seconds."""
    assert stack.data_dir is not None
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        files = [file for file in (stack.data_dir / "originals").rglob("*") if file.is_file()]
        if not files:
            break
        time.sleep(0.05)
    return not files and stack.client.images().total == 0


def content_of(file: FileToUpload) -> bytes:
    assert isinstance(file.source, bytes)
    return file.source * 200  # a JPEG may be followed by anything; this one takes several chunks


def test_a_client_that_breaks_off_leaves_nothing(own_stack: Stack) -> None:
    content = content_of(noise_pictures(1)[0])
    begin_upload(own_stack, content).close()
    assert nothing_is_left(own_stack)
    again = own_stack.client.upload([FileToUpload(content, file_name="whole.jpg")])
    wait_until_indexed(own_stack, again.job_id, 1)


def test_a_gateway_killed_in_the_middle_of_a_file_leaves_no_half_picture(own_stack: Stack) -> None:
    content = content_of(noise_pictures(1)[0])
    with begin_upload(own_stack, content):
        kill(own_stack, "-m gateway")
        wait_until_ready(own_stack)
    assert nothing_is_left(own_stack)


def test_upload_service_killed_in_the_middle_of_a_file_is_a_503(own_stack: Stack) -> None:
    content = content_of(noise_pictures(1)[0])
    with begin_upload(own_stack, content) as connection:
        kill(own_stack, "-m upload_service")
        connection.sendall(content[len(content) * 2 // 3 :] + CLOSING)
        assert connection.recv(4096).startswith(b"HTTP/1.1 503")
    wait_until_ready(own_stack)
    assert nothing_is_left(own_stack)
    again = own_stack.client.upload([FileToUpload(content, file_name="whole.jpg")])
    wait_until_indexed(own_stack, again.job_id, 1)


def test_an_upload_while_upload_service_is_away_says_so(own_stack: Stack) -> None:
    files = noise_pictures(1)
    kill(own_stack, "-m upload_service")
    try:
        accepted = own_stack.client.upload(files)
    except ServiceUnavailable:
        wait_until_ready(own_stack)
        accepted = own_stack.client.upload(files)
    wait_until_indexed(own_stack, accepted.job_id, 1)
