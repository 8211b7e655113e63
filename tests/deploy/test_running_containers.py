"""The constellation in containers: who runs there, and what killed and removed containers lose.

`make compose-test` starts it and says so; everywhere else these are skipped.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.deploy.deployment import ROOT, Compose
from viewfinder.api_models import Job, UploadAccepted
from viewfinder.client import Client, FileToUpload

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow,  # containers are killed, removed and started again
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        "VIEWFINDER_TEST_COMPOSE" not in os.environ,
        reason="needs the containers that make compose-test starts",
    ),
]


class Containers:
    """The running constellation, by docker compose."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command

    def run(self, *arguments: str) -> str:
        """Output of `docker compose ...`."""
        answer = subprocess.run(
            [*self._command, *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert answer.returncode == 0, f"{arguments}: {answer.stderr}"
        return answer.stdout

    def execute(self, service: str, program: str) -> str:
        """Output of a shell program inside the container of a service."""
        return self.run("exec", "-T", service, "sh", "-c", program).strip()

    def inspect(self, service: str) -> dict[str, Any]:
        """What the engine knows of the container of a service."""
        container = self.run("ps", "--all", "--quiet", service).strip()
        answer = subprocess.run(
            ["docker", "inspect", container], capture_output=True, check=True, timeout=60
        )
        found: dict[str, Any] = json.loads(answer.stdout)[0]
        return found

    def kill_program(self, service: str) -> None:
        """End the program inside as a crash or the kernel's want of memory would."""
        program = 'kill -9 "$(cut -d" " -f1 /proc/1/task/1/children)"'
        self.run("exec", "-T", service, "sh", "-c", program)

    def wait_until_healthy(self) -> None:
        self.run("up", "--detach", "--no-build", "--wait", "--wait-timeout", "240")


@pytest.fixture(scope="module")
def containers() -> Containers:
    return Containers(os.environ["VIEWFINDER_TEST_COMPOSE"].split())


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(os.environ["VIEWFINDER_TEST_API_URL"]) as client:
        yield client


def _jpeg() -> bytes:
    noise = np.random.default_rng(uuid.uuid4().int).integers(0, 255, (96, 128, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG")
    return buffer.getvalue()


def _upload(client: Client, *pictures: bytes, tag: str) -> UploadAccepted:
    return client.upload([FileToUpload(picture) for picture in pictures], tags=[tag])


def _end_of(client: Client, job_id: str) -> Job:
    *_, last = client.watch_job(job_id)
    return last


def _found(client: Client, tag: str) -> set[str]:
    hits = client.search("a picture", filters={"tags": tag}, top_k=100).results
    assert len({hit.id for hit in hits}) == len(hits)
    return {hit.id for hit in hits}


def test_every_container_runs_as_a_user_without_rights(
    containers: Containers, compose: Compose
) -> None:
    for name in compose.started:
        user = containers.execute(name, "id -u")
        assert user == ("10001" if name in compose.built else "999")
        status = containers.execute(name, "cat /proc/self/status")
        assert "CapEff:\t0000000000000000" in status, name
        assert "NoNewPrivs:\t1" in status, name


def test_every_container_can_write_to_its_volumes_and_tmp_only(
    containers: Containers, compose: Compose
) -> None:
    for name, service in compose.started.items():
        assert containers.inspect(name)["HostConfig"]["ReadonlyRootfs"] is True
        writable = {"/": False, "/opt": False, "/home": False, "/var/tmp": False, "/tmp": True}
        for volume in service.get("volumes", []):
            writable[volume.split(":")[1]] = not volume.endswith(":ro")
        for folder, expected in writable.items():
            attempt = f"touch {folder}/attempt 2>/dev/null && rm {folder}/attempt && echo yes || :"
            assert (containers.execute(name, attempt) == "yes") == expected, (name, folder)


def test_nothing_else_is_published(containers: Containers, compose: Compose) -> None:
    for name in compose.started:
        ports = containers.inspect(name)["NetworkSettings"]["Ports"]
        hosts = {place["HostIp"] for places in ports.values() for place in places or []}
        assert hosts == ({"127.0.0.1"} if name in {"gateway", "frontend"} else set())


def test_the_page_is_served_and_finds_the_gateway(containers: Containers) -> None:
    page = httpx.get(os.environ["VIEWFINDER_TEST_FRONTEND_URL"])
    assert page.status_code == 200
    asks = "import httpx; print(httpx.get('http://gateway:8000/images').status_code)"
    assert containers.execute("frontend", f'python -c "{asks}"') == "200"
    assert "external" not in containers.run("logs", "frontend").lower()  # asked nobody for its IP


def test_parts_killed_while_pictures_come_in_lose_none(
    containers: Containers, client: Client
) -> None:
    tag, accepted = uuid.uuid4().hex, []
    restarts = containers.inspect("worker")["RestartCount"]
    for number in range(60):
        accepted.append(_upload(client, _jpeg(), tag=tag))
        if number == 10:
            containers.run("kill", "search_service")  # the engine leaves what users kill
        if number == 20:
            containers.kill_program("worker")  # and starts again what dies
        if number == 30:
            containers.kill_program("embedding_service")
        if number == 40:
            containers.run("kill", "redis")
    containers.wait_until_healthy()
    while not client.ready().ready:  # those killed may have come back at other addresses
        time.sleep(0.2)
    ends = [_end_of(client, answer.job_id) for answer in accepted]
    assert [(end.indexed, end.failed) for end in ends] == [(1, 0)] * 60
    assert _found(client, tag) == {answer.images[0].id for answer in accepted}
    assert containers.inspect("worker")["RestartCount"] == restarts + 1


def test_removed_containers_leave_their_pictures_to_the_next(
    containers: Containers, client: Client
) -> None:
    tag = uuid.uuid4().hex
    pictures = [_jpeg() for _ in range(5)]
    accepted = _upload(client, *pictures, tag=tag)
    assert _end_of(client, accepted.job_id).indexed == 5
    containers.run("down")
    containers.wait_until_healthy()
    ids = [image.id for image in accepted.images]
    assert _found(client, tag) == set(ids)
    assert [client.content(image_id).data for image_id in ids] == pictures
    more = _upload(client, _jpeg(), tag=tag)
    assert _end_of(client, more.job_id).indexed == 1
    assert len(_found(client, tag)) == 6
