"""Descriptions go on, and each is made once, whatever is killed meanwhile."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PIL import Image

from tests.end_to_end.conftest import Stack
from tests.faults.own_stack import RECOVERY_S, kill, wait_until_indexed
from tests.faults.shelf import Shelf
from tests.vision.counting_server import CountingServer, counting_server
from tests.vision.looking import COLOURS
from tests.vision.model_server import MODEL
from viewfinder.api_descriptions import DescriptionProgress
from viewfinder.client import FileToUpload
from viewfinder.ids import new_id

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow,  # starts all services and kills some
    pytest.mark.timeout(600),
]

COUNT = int(os.environ.get("VIEWFINDER_TEST_DESCRIPTIONS", "200"))


@pytest.fixture(scope="module")
def model_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CountingServer]:
    folder = tmp_path_factory.mktemp("model")
    with counting_server(folder / "described.log", pause_s=0.04) as server:
        yield server


@pytest.fixture
def model(model_server: CountingServer) -> CountingServer:
    """A running model server that has not described anything yet."""
    if model_server.process is None:
        model_server.start()
    model_server.forget()
    return model_server


@pytest.fixture(scope="module")
def describing_shelf(
    tmp_path_factory: pytest.TempPathFactory, model_server: CountingServer
) -> Iterator[Shelf]:
    shelf = Shelf(lambda: tmp_path_factory.mktemp("describing"))
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in {
            "LLM_ENABLED": "true",
            "LLM_MODEL": MODEL,
            "LLM_BASE_URL": "",
            "OLLAMA_HOST": model_server.url,
            "VIEWFINDER_LLM_TIMEOUT_S": "10",
            "VIEWFINDER_OCR": "false",
        }.items():
            monkeypatch.setenv(name, value)
        yield shelf
    shelf.clear()


@pytest.fixture
def stack(describing_shelf: Shelf, model: CountingServer) -> Iterator[Stack]:
    """An empty Viewfinder with this vision model."""
    stack = describing_shelf.take()
    yield stack
    describing_shelf.put(stack)


def pictures(count: int) -> list[FileToUpload]:
    """All different, of a colour that is told."""
    noise = np.random.default_rng(5)
    files = []
    for number in range(count):
        pixels = np.full((90, 120, 3), list(COLOURS.values())[number % 4], np.uint8)
        pixels[:8] = noise.integers(0, 255, (8, 120, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        files.append(FileToUpload(buffer.getvalue(), file_name=f"{number}.png"))
    return files


def upload(stack: Stack, count: int) -> None:
    job_id = new_id()
    files = pictures(count)
    for start in range(0, count, 20):
        stack.client.upload(files[start : start + 20], job_id=job_id)
    wait_until_indexed(stack, job_id, count)


def wait_until(
    stack: Stack, condition: Callable[[DescriptionProgress], bool]
) -> DescriptionProgress:
    deadline = time.monotonic() + RECOVERY_S + COUNT
    while time.monotonic() < deadline:
        now = stack.client.descriptions()
        if condition(now):
            return now
        time.sleep(0.05)
    raise AssertionError(f"not in time: {now}")


def test_a_model_server_killed_twice_describes_each_picture_once(
    stack: Stack, model: CountingServer
) -> None:
    upload(stack, COUNT)
    asked = stack.client.describe(all=True)
    assert asked.asked == COUNT
    for share in (0.25, 0.6):
        wait_until(stack, lambda now, share=share: now.described >= share * COUNT)  # type: ignore[misc]
        model.kill()
        away = wait_until(stack, lambda now: now.held_up is not None)
        assert "Ollama" in (away.held_up or "")
        assert away.failed == 0
        assert stack.client.search("a red picture").results
        model.start()
    done = wait_until(stack, lambda now: not now.waiting)
    assert (done.described, done.failed, done.held_up) == (COUNT, 0, None)
    began, answered = model.counts()
    assert len(answered) == COUNT
    assert set(answered.values()) == {1}
    broken_off = (began - answered).total()
    assert broken_off <= 2 * 2 * 3  # two kills, two calls at once, of three tries each
    found = stack.client.search("a green picture", mode="description", top_k=COUNT % 100 or 100)
    assert found.results
    assert "green" in (found.results[0].metadata.description or "")
    assert stack.client.describe(all=True).asked == 0


def test_a_worker_killed_while_it_describes_loses_and_repeats_next_to_nothing(
    stack: Stack, model: CountingServer
) -> None:
    upload(stack, 60)
    stack.client.describe(all=True)
    wait_until(stack, lambda now: now.described >= 15)
    kill(stack, "-m worker")
    done = wait_until(stack, lambda now: not now.waiting)
    assert (done.described, done.failed) == (60, 0)
    _, answered = model.counts()
    assert len(answered) == 60
    assert answered.total() <= 60 + 2  # two calls at once


def test_pictures_that_the_model_server_refuses_fail_alone(
    stack: Stack, model: CountingServer
) -> None:
    model.kill()
    model.refused = ("red",)
    model.start()
    upload(stack, 12)
    stack.client.describe(all=True)
    done = wait_until(stack, lambda now: not now.waiting)
    assert (done.described, done.failed, done.held_up) == (9, 3, None)
    assert {"against our policy" in one.reason for one in done.failures} == {True}
    began, _ = model.counts()
    # Nine once, three red ones three times, and a plain one beside each of these times.
    assert sorted(began.values()) == [1] * 9 + [3] * 3 + [9]
    assert stack.client.describe(all=True).failed == 3
    model.kill()
    model.refused = ()
    model.start()
    told = stack.viewfinder("describe", "--failed")
    assert told.returncode == 0, told.stderr
    assert "12 are described, 0 wait" in told.stdout


def test_descriptions_come_with_the_upload_are_edited_kept_and_found(
    stack: Stack, model: CountingServer
) -> None:
    (file,) = pictures(1)
    accepted = stack.client.upload([file], describe=True)
    image_id = accepted.images[0].id
    wait_until(stack, lambda now: now.described == 1)
    shown = stack.client.image(image_id).description
    assert shown is not None
    assert (shown.colours, shown.model, shown.edited) == (["red"], MODEL, False)
    told = stack.viewfinder("describe", "--all", "--dry-run")
    assert told.returncode == 0, told.stderr
    assert "1 are described already" in told.stdout
    again = stack.viewfinder("describe", image_id, "--again")
    assert again.returncode == 0, again.stderr
    assert "1 are described, 0 wait" in again.stdout
    assert model.counts()[1].total() == 2
    stack.client.update(image_id, tags=["kept"])
    deadline = time.monotonic() + RECOVERY_S
    while time.monotonic() < deadline:
        hits = stack.client.search("red", mode="description", filters={"tags": "kept"}).results
        if hits:
            break
        time.sleep(0.1)
    assert hits[0].id == image_id
