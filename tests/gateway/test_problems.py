"""Whatever goes wrong is said in one way; and what every answer has."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog

from gateway import records
from tests.gateway.conftest import OpenGateway
from tests.gateway.fake_records import IMAGE_ID, JOB_ID
from tests.gateway.fake_services import FakeServices
from tests.vision import looking
from tests.vision.model_server import MODEL
from tests.vision.ollama_server import ollama_server
from viewfinder import errors
from viewfinder.errors import InternalError, ViewfinderError


def all_errors() -> Iterator[ViewfinderError]:
    """One of each, with made-up fields."""
    made = {"str": "some text", "int": 7, "float": 1.5}
    for cls in vars(errors).values():
        if (
            isinstance(cls, type)
            and issubclass(cls, ViewfinderError)
            and cls is not ViewfinderError
        ):
            yield cls(**{one.name: made[str(one.type)] for one in dataclasses.fields(cls)})


@pytest.mark.parametrize("error", list(all_errors()), ids=lambda error: error.code)
async def test_an_error_of_a_service_keeps_its_status_code_and_fields(
    client: httpx.AsyncClient, services: FakeServices, error: ViewfinderError
) -> None:
    services.search.failure = error
    answer = await client.post("/search", json={"query": "a cat"})
    problem = answer.json()
    assert answer.status_code == problem["status"] == error.http_status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert problem["code"] == error.code
    assert problem["type"] == f"urn:viewfinder:problem:{error.code}"
    assert problem["title"] == error.title
    assert problem["detail"] == error.message
    assert problem["fields"] == error.field_values()
    assert problem["request_id"] == answer.headers["x-request-id"]


async def test_a_failure_nobody_foresaw_tells_its_id_and_is_logged(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ArithmeticError("secret of the house")

    monkeypatch.setattr(records, "job", fail)
    with structlog.testing.capture_logs() as logs:
        answer = await client.get(f"/jobs/{JOB_ID}", headers={"X-Request-ID": "mine"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "mine"
    assert answer.json()["code"] == InternalError.code
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert [one for one in logs if one["log_level"] == "error"]


async def test_an_address_that_does_not_exist_is_a_404(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nowhere")
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "/nowhere" in answer.json()["detail"]


async def test_a_method_that_does_not_exist_is_a_405_that_says_which_do(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.put("/search")
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/images", "/nowhere", f"/images/{IMAGE_ID}/content"])
async def test_every_answer_has_what_browsers_should_know(
    client: httpx.AsyncClient, path: str
) -> None:
    headers = (await client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


async def test_a_request_id_travels_to_the_services_and_back(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    headers = {"X-Request-ID": "trace-1.a_b"}
    answer = await client.post("/search", json={"query": "a cat"}, headers=headers)
    assert answer.headers["x-request-id"] == "trace-1.a_b"
    assert services.search.request_ids == ["trace-1.a_b"]


@pytest.mark.parametrize("sent", ["a b", "x" * 65, "a\tb", "<script>", "", "\u00e9"])
async def test_a_request_id_that_is_not_safe_is_replaced(
    client: httpx.AsyncClient, sent: str
) -> None:
    answer = await client.get("/images", headers={"X-Request-ID": sent.encode()})
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-request-id"])


async def test_every_request_has_an_id_of_its_own(client: httpx.AsyncClient) -> None:
    answers = [await client.get("/images") for _ in range(5)]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 5


# --- the documentation ---


def json_examples(document: dict[str, Any]) -> Iterator[tuple[str, str, str, Any]]:
    """(method, path, content type, value) of all examples of bodies."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {})
            for example in content.get("application/json", {}).get("examples", {}).values():
                yield method, path, "application/json", example["value"]


async def test_the_examples_of_the_documentation_work(
    open_gateway: OpenGateway, services: FakeServices
) -> None:
    services.image.rendition = looking.jpeg(looking.picture("red"))
    with ollama_server() as model:
        client = await open_gateway(llm_enabled=True, llm_model=MODEL, ollama_host=model.url)
        document = (await client.get("/openapi.json")).json()
        sent = list(json_examples(document))
        assert len(sent) >= 6
        for method, path, _, value in sent:
            address = path.format(image_id=IMAGE_ID, job_id=JOB_ID)
            answer = await client.request(method, address, json=value)
            assert answer.is_success, (method, path, answer.text)


async def test_every_call_that_is_documented_says_what_it_answers(
    client: httpx.AsyncClient,
) -> None:
    document = (await client.get("/openapi.json")).json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            assert any(status.startswith("2") for status in operation["responses"])
    refs = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert refs <= set(document["components"]["schemas"])


async def test_the_documentation_page_needs_no_other_host(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.status_code == 200
    addresses = re.findall(r"""(?:src|href)=["']([^"']+)""", page.text)
    assert addresses
    for address in addresses:
        assert not address.startswith(("http:", "https:", "//")), address
        assert (await client.get(address)).status_code == 200, address
