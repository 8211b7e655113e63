"""A vision model that dies, hangs or lies while Viewfinder runs: only questions notice."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.conftest import Stack, start_stack, stop_stack
from tests.faults.own_stack import wait_until_indexed
from tests.vision import looking
from tests.vision.model_server import MODEL, ModelServer
from tests.vision.ollama_server import ollama_server
from viewfinder.client import FileToUpload
from viewfinder.errors import DeadlineExceeded, VisionModelFailed, VisionModelUnavailable

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow,  # starts a whole stack
]

COLOURS = ["red", "green", "blue"]


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ollama_server() as server:
        yield server


@pytest.fixture
def stack(tmp_path: Path, model: ModelServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    for name, value in {
        "LLM_ENABLED": "true",
        "LLM_MODEL": MODEL,
        "LLM_BASE_URL": "",
        "OLLAMA_HOST": model.url,
        "VIEWFINDER_LLM_TIMEOUT_S": "5",
        "VIEWFINDER_ANSWER_MIN_RELEVANCE": "0",
    }.items():
        monkeypatch.setenv(name, value)
    stack = start_stack(tmp_path / "data", "--no-frontend")
    yield stack
    stop_stack(stack)


def upload(stack: Stack) -> dict[str, str]:
    """Ids by colour, of large PNGs: what the model gets must be made of them."""
    files = []
    for number, colour in enumerate(COLOURS):
        buffer = io.BytesIO()
        looking.picture(colour, number + 1, size=(2400, 1800)).save(buffer, "PNG")
        files.append(FileToUpload(buffer.getvalue(), file_name=f"{number}.png"))
    accepted = stack.client.upload(files)
    wait_until_indexed(stack, accepted.job_id, len(files))
    return dict(zip(COLOURS, (image.id for image in accepted.images), strict=True))


def test_questions_are_answered_and_a_model_in_trouble_troubles_nothing_else(
    stack: Stack, model: ModelServer
) -> None:
    ids = upload(stack)
    for colour, image_id in ids.items():
        answer = stack.client.ask("What colour is it?", image_ids=[image_id])
        assert colour in answer.answer
        assert answer.used == [image_id]
    seen = model.chats[-1].seen[0]
    assert (seen.format, seen.width, seen.height, seen.shapes) == ("JPEG", 1024, 768, 3)

    found = stack.client.search("a green picture", rerank=True)
    assert found.rerank is not None
    assert found.rerank.applied, found.rerank
    assert found.results[0].id == ids["green"]

    ran = stack.viewfinder("ask", "What colour is it?", "--image", ids["blue"])
    assert ran.returncode == 0, ran.stderr
    assert "blue" in ran.stdout
    assert ids["blue"] in ran.stdout

    for behaviour, error in (
        ("never", DeadlineExceeded),
        ("breaks", VisionModelFailed),
        ("garbage", VisionModelFailed),
        ("error", VisionModelUnavailable),
    ):
        model.behaviour = behaviour
        with pytest.raises(error):
            stack.client.ask("What colour is it?", image_ids=[ids["red"]])
        fallen_back = stack.client.search("a green picture", rerank=True)
        assert fallen_back.rerank is not None
        assert not fallen_back.rerank.applied or behaviour == "breaks"
        assert len(fallen_back.results) == 3
        assert stack.client.ready().ready
        plain = stack.client.search(f"a picture while it is in trouble: {behaviour}")
        assert len(plain.results) == 3

    model.behaviour = "good"
    figures = httpx.get(f"{stack.api_url}/metrics").text
    assert 'viewfinder_vision_model_calls_total{outcome="answered",what="answer"} 4.0' in figures
    assert 'outcome="llm_unavailable",what="rerank"' in figures
