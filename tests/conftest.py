"""What tests of several rooms need: a data folder of their own and a real Valkey in it."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError
from xdist.scheduler import LoadScopeScheduling

from viewfinder.settings import SharedSettings
from viewfinder.valkey import server_command

WITH_STACKS = ("tests/deploy/test_running", "tests/end_to_end/", "tests/faults/")


class StacksInOneProcess(LoadScopeScheduling):
    """Of the processes of `make test` one runs all that start a whole stack, and begins with it.

    Two stacks at a time on two cores wait for each other, and what tests of one stack share would
    be started twice. Groups by a mark (`--dist loadgroup`) would do, but pytest-xdist 3.8 loses
    them with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "stack" if nodeid.startswith(WITH_STACKS) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> StacksInOneProcess:
    """Whatever --dist says."""
    return StacksInOneProcess(config, log)


class ValkeyServer:
    """A bundled Valkey that can be killed, emptied and started again."""

    def __init__(self, settings: SharedSettings) -> None:
        self.settings = settings
        self.folder = settings.data_dir / "queue"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.settings.run_dir.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            server_command(self.settings.redis_socket, self.folder), stdout=subprocess.DEVNULL
        )
        client = Redis(unix_socket_path=str(self.settings.redis_socket))
        for _ in range(500):
            with suppress(RedisError):
                if client.ping():
                    client.close()
                    return
            time.sleep(0.02)
        raise RuntimeError("Valkey did not start within 10 s")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def send(self, number: int) -> None:
        """A signal, such as SIGSTOP."""
        if self._process is not None:
            self._process.send_signal(number)

    def lose_everything(self) -> None:
        self.kill()
        shutil.rmtree(self.folder)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SharedSettings:
    """Shared settings of an installation in an empty folder."""
    monkeypatch.setenv("VIEWFINDER_DATA_DIR", str(tmp_path))
    return SharedSettings()


@pytest.fixture
def valkey(settings: SharedSettings) -> Iterator[ValkeyServer]:
    """A running Valkey on the socket of `settings`."""
    server = ValkeyServer(settings)
    server.start()
    yield server
    server.kill()
