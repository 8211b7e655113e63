"""Hostile files and hostile names, sent to a whole running Viewfinder."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.end_to_end.conftest import Stack
from tests.hostile_files import HostileFile, hostile_files
from viewfinder.client import FileToUpload
from viewfinder.errors import error_class

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow,  # starts all services once
]

Jpeg = Callable[..., bytes]
BOUNDARY = "hostile"
NAMES = {
    "traversal": b"../../../../etc/cron.d/evil.jpg",
    "absolute": b"/etc/passwd.jpg",
    "windows": rb"C:\windows\system32\evil.jpg",
    "nul": b"a\0b.jpg",
    "long": b"x" * 3500 + b".jpg",
    "emoji": "\U0001f600\U0001f3f3\ufe0f\u200d\U0001f308.jpg".encode(),
    "right to left": "\u202egpj.exe".encode(),
    "quotes": b"a\\\"b'c`d.jpg",
    "newline": b"a%0D%0ASet-Cookie: x=1.jpg",
    "markup": b"<img src=x onerror=alert(1)>.jpg",
    "not utf-8": b"caf\xe9\xff.jpg",
    "dots": b"..",
    "nothing": b"",
    "shell": b"$(reboot);`reboot`|reboot.jpg",
}


def send(stack: Stack, content: bytes, file_name: bytes, *fields: tuple[str, str]) -> Any:
    """The answer to a form with this file name as it is, which no polite client would send."""
    parts = [
        f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}' for name, value in fields
    ]
    head = b'Content-Disposition: form-data; name="files"; filename="' + file_name + b'"\r\n\r\n'
    body = b"".join(f"--{BOUNDARY}\r\n{part}\r\n".encode() for part in parts)
    body += f"--{BOUNDARY}\r\n".encode() + head + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return httpx.post(f"{stack.api_url}/images", content=body, headers=headers, timeout=60)


def upload(stack: Stack, file: HostileFile) -> httpx.Response:
    name = file.name.encode()
    return send(stack, file.content, name.replace(b"\\", b"\\\\").replace(b"\n", b"%0A"))


@pytest.mark.parametrize(
    "file",
    [file for file in hostile_files() if file.expected_code and file.found_by == "inspect"],
    ids=lambda file: file.name,
)
def test_what_its_header_gives_away_is_refused_at_once(stack: Stack, file: HostileFile) -> None:
    assert file.expected_code is not None
    answer = upload(stack, file)
    expected = error_class(file.expected_code)
    assert expected is not None
    assert answer.json()["code"] == file.expected_code, answer.text
    assert answer.status_code == expected.http_status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["rejected"][0]["error"]["code"] == file.expected_code


@pytest.mark.parametrize(
    "file",
    [file for file in hostile_files() if file.found_by == "prepare"],
    ids=lambda file: file.name,
)
def test_what_only_its_pixels_give_away_fails_in_its_job_with_a_reason(
    stack: Stack, file: HostileFile
) -> None:
    answer = upload(stack, file)
    assert answer.status_code == 202, answer.text
    *_, job = stack.client.watch_job(answer.json()["job_id"])
    assert (job.indexed, job.failed) == (0, 1)
    assert job.failures[0].reason
    record = stack.client.image(answer.json()["images"][0]["id"])
    assert (record.state, bool(record.failure)) == ("failed", True)


def test_what_is_odd_but_fine_is_searchable(stack: Stack) -> None:
    job_id, count = str(uuid.uuid4()), 0
    for file in hostile_files():
        if file.expected_code is None:
            name = file.name.encode().replace(b"\\", b"\\\\").replace(b"\n", b"%0A")
            answer = send(stack, file.content, name, ("job_id", job_id))
            assert answer.status_code == 202, (file.name, answer.text)
            count += 1
    *_, job = stack.client.watch_job(job_id)
    assert (job.indexed, job.failed) == (count, 0), job.failures


@pytest.mark.parametrize("name", list(NAMES.values()), ids=list(NAMES))
def test_a_hostile_name_is_only_ever_shown(stack: Stack, jpeg: Jpeg, name: bytes) -> None:
    content, tag = jpeg(), uuid.uuid4().hex
    answer = send(stack, content, name, ("tags", tag), ("file_path", "../../../etc/passwd"))
    assert answer.status_code == 202, answer.text
    image = answer.json()["images"][0]
    *_, job = stack.client.watch_job(answer.json()["job_id"])
    assert job.indexed == 1, job.failures

    shown = stack.client.image(image["id"]).file_name
    assert shown
    assert len(shown) <= 255
    assert shown.isprintable(), ascii(shown)  # no control characters, no change of direction
    assert "/" not in shown

    original = httpx.get(f"{stack.api_url}{image['url']}")
    assert original.content == content
    assert original.headers["content-disposition"].isascii()
    assert "set-cookie" not in original.headers

    (found,) = stack.client.search("noise", filters={"tags": tag}).results
    assert found.metadata.file_name == shown

    if stack.data_dir is not None:
        originals = stack.data_dir / "originals"
        digest = stack.client.image(image["id"]).sha256
        assert [path.stem for path in originals.rglob(f"*{digest}*")] == [digest]
        assert not any(word in path.name for path in _files(stack) for word in ("evil", "reboot"))


def _files(stack: Stack) -> list[Path]:
    assert stack.data_dir is not None
    return [path for path in stack.data_dir.rglob("*") if path.is_file()]


def test_a_name_of_ten_thousand_characters_harms_nobody(stack: Stack, jpeg: Jpeg) -> None:
    answer = send(stack, jpeg(), b"x" * 10_000 + b".jpg")
    assert answer.status_code in (202, 422)


def test_after_all_that_every_part_is_ready_and_a_good_picture_is_found(
    stack: Stack, jpeg: Jpeg
) -> None:
    for file in hostile_files():
        upload(stack, file)
    ready = stack.client.ready()
    assert ready.ready, ready
    tag = uuid.uuid4().hex
    good = FileToUpload(jpeg("cat"), file_name="cat.jpg")
    accepted = stack.client.upload([good], tags=[tag])
    *_, job = stack.client.watch_job(accepted.job_id)
    assert (job.indexed, job.failed) == (1, 0)
    assert stack.client.search("a cat", filters={"tags": tag}).results[0].score > 0
