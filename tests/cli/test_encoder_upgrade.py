"""After an update, vectors of an older revision of the encoder are made anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import pytest

from viewfinder import api_models as api
from viewfinder.cli.encoder_upgrade import begin_if_outdated
from viewfinder.client import Client
from viewfinder.errors import ServiceUnavailable

OLD = api.EncoderInfo(name="mini", revision="old", dim=4)
NEW = api.EncoderInfo(name="mini", revision="new", dim=4)
OTHER = api.EncoderInfo(name="ViT-B-32", revision="old", dim=4)


@dataclass
class _Gateway:
    """The four calls of a client that are made."""

    now: api.EncoderInfo | None
    was: api.EncoderInfo | None
    vectors: int = 3
    state: str = "idle"
    started: list[str] = field(default_factory=list)

    def health(self) -> api.Health:
        return api.Health(
            status="ok",
            encoder_loaded=True,
            index_connected=True,
            redis_connected=True,
            device="cpu",
            encoder=self.now,
            version="1",
        )

    def stats(self) -> api.Stats:
        nothing = api.LatencyStats(count=0, p50_ms=0, p95_ms=0, p99_ms=0, mean_ms=0)
        return api.Stats(
            latency=api.Latencies(embedding=nothing, search=nothing, total=nothing),
            collection=api.CollectionStats(
                name="c",
                vectors_count=self.vectors,
                status="green",
                indexed=False,
                encoder=self.was,
            ),
            catalogue=api.CatalogueStats(total=3, by_state={}, size_bytes=1),
        )

    def reindex(self) -> api.Reindex:
        return api.Reindex.model_validate({"state": self.state, "total": 3, "done": 0, "failed": 0})

    def start_reindex(self, encoder: str) -> api.Reindex:
        self.started.append(encoder)
        self.state = "running"
        return self.reindex()


def test_a_newer_revision_of_the_same_encoder_starts_a_reindex() -> None:
    gateway = _Gateway(now=NEW, was=OLD)
    assert "3 pictures" in begin_if_outdated(cast(Client, gateway))
    assert gateway.started == ["mini"]


def test_one_that_runs_is_told_of_but_not_started_again() -> None:
    gateway = _Gateway(now=NEW, was=OLD, state="running")
    assert begin_if_outdated(cast(Client, gateway))
    assert gateway.started == []


@pytest.mark.parametrize(
    "gateway",
    [
        _Gateway(now=OLD, was=OLD),
        _Gateway(now=OTHER, was=OLD),
        _Gateway(now=NEW, was=None),
        _Gateway(now=None, was=OLD),
        _Gateway(now=NEW, was=OLD, vectors=0),
    ],
    ids=["the same", "another encoder", "an empty index", "no encoder yet", "no vectors"],
)
def test_else_nothing_is_done(gateway: _Gateway) -> None:
    assert begin_if_outdated(cast(Client, gateway)) == ""
    assert gateway.started == []


def test_a_gateway_that_is_away_is_no_reason_to_fail() -> None:
    class _Away(_Gateway):
        def health(self) -> api.Health:
            raise ServiceUnavailable(service="gateway", reason="gone")

    assert begin_if_outdated(cast(Client, _Away(now=NEW, was=OLD))) == ""
