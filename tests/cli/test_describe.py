"""`viewfinder describe`, against a gateway that counts down."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from viewfinder.cli import describing
from viewfinder.cli.__main__ import make_app
from viewfinder.client import Client

ESTIMATE = {"input_tokens": 14000, "output_tokens": 1500, "cost": 0.5, "seconds": 100.0}
ASKED = {
    "asked": 10,
    "waiting": 0,
    "described": 4,
    "unknown": 0,
    "model": "looker",
    "estimate": ESTIMATE,
}
PROGRESS = {
    "enabled": True,
    "model": "looker",
    "waiting": 0,
    "in_hand": 0,
    "described": 14,
    "edited": 1,
    "failed": 0,
}


class Gateway:
    """Each look finds one of `looks`, and the last one from then on."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Any]] = []
        self.looks: list[dict[str, Any]] = [PROGRESS]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append((request.method, json.loads(request.content or b"null")))
        if request.method == "POST":
            return httpx.Response(202, json={**ASKED, "dry_run": self.requests[-1][1]["dry_run"]})
        if request.method == "DELETE":
            return httpx.Response(200, json={"stopped": 1234})
        return httpx.Response(200, json=self.looks.pop(0) if self.looks[1:] else self.looks[0])


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    gateway = Gateway()
    transport = httpx.MockTransport(gateway)
    make: Callable[..., Client] = Client
    monkeypatch.setattr(
        "viewfinder.cli.connection.Client",
        lambda url, api_key: make(url, api_key, transport=transport),
    )
    monkeypatch.setattr(describing, "_POLL_S", 0.0)
    return gateway


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(make_app(), ["describe", *arguments])
    return result.exit_code, result.output


def test_a_dry_run_says_what_it_costs(gateway: Gateway) -> None:
    status, said = run("--all", "--dry-run")
    assert status == 0
    assert "10 would be described by looker" in said
    assert "price 0.50, 2 min" in " ".join(said.split())
    assert "4 are described already" in said
    assert [method for method, _ in gateway.requests] == ["POST"]


def test_it_waits_until_none_waits(gateway: Gateway) -> None:
    waiting = {**PROGRESS, "waiting": 9, "described": 5, "held_up": "nothing answers there"}
    gateway.looks = [waiting, waiting, {**PROGRESS, "waiting": 3}, PROGRESS]
    status, said = run("--tag", "holiday", "--limit", "9")
    assert status == 0
    assert "14 are described (1 by hand), 0 wait." in said
    method, body = gateway.requests[0]
    assert method == "POST"
    assert (body["tag"], body["limit"], body["all"]) == (["holiday"], 9, False)


def test_ctrl_c_stops_watching_only(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway.looks = [{**PROGRESS, "waiting": 9}]

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(describing.time, "sleep", interrupt)
    status, said = run("--all")
    assert status == 130
    assert "goes on in the background" in said
    assert "DELETE" not in [method for method, _ in gateway.requests]


def test_pictures_that_no_model_can_describe_are_named(gateway: Gateway) -> None:
    failure = {"image_id": "abc", "file_name": "a.jpg", "reason": "it [red]answers nonsense"}
    gateway.looks = [
        {**PROGRESS, "waiting": 1},
        {**PROGRESS, "failed": 1, "failures": [failure]},
    ]
    status, said = run("--all")
    assert status == 1
    assert "abc" in said
    assert "answers nonsense" in said


def test_what_failed_is_told_and_tried_again_when_asked(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ASKED, "failed", 2)
    assert "2 could not be described; --failed tries them again" in run("--all", "--dry-run")[1]
    run("--failed")
    body = gateway.requests[-2][1]
    assert (body["all"], body["failed"]) == (True, True)
    run("--failed", "--tag", "holiday")
    body = gateway.requests[-2][1]
    assert (body["all"], body["failed"], body["tag"]) == (False, True, ["holiday"])


def test_what_holds_it_up_is_told(gateway: Gateway) -> None:
    gateway.looks = [{**PROGRESS, "waiting": 9, "held_up": "none of the workers describes"}]
    assert "Held up: none of the workers describes" in run()[1]


def test_it_can_be_stopped(gateway: Gateway) -> None:
    assert run("--stop") == (0, "1,234 are not described any more.\n")


def test_two_wishes_at_once_are_refused(gateway: Gateway) -> None:
    assert run("--all", "--tag", "x")[0] == 2
    assert gateway.requests == []
