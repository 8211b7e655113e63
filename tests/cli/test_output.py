"""What commands show of hits."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from viewfinder.api_models import HitMetadata, SearchHit, SearchResponse
from viewfinder.cli.output import percent, show_hits
from viewfinder.client import Client


@pytest.mark.parametrize(
    ("relevance", "shown"),
    [
        (None, ""),
        (0.0, "< 1 %"),
        (0.01, "1 %"),
        (0.734, "73 %"),
        (0.99, "99 %"),
        (0.9999, "> 99 %"),
        (1.0, "> 99 %"),
    ],
)
def test_relevance_is_shown_in_percent_and_nothing_is_certain(
    relevance: float | None, shown: str
) -> None:
    assert percent(relevance) == shown


def test_hits_are_shown_with_relevance_and_score() -> None:
    hit = SearchHit(
        id="a1",
        score=0.4321,
        relevance=0.73,
        url="/images/a1/content",
        thumbnail_url="/t",
        metadata=HitMetadata(file_name="cat.jpg"),
    )
    answer = SearchResponse(query="a cat", results=[hit], total=1, latency_ms=1.0)
    text = io.StringIO()
    with Client("http://127.0.0.1:1") as client:
        show_hits(Console(file=text, width=200), client, answer)
    assert "73 %" in text.getvalue()
    assert "0.432" in text.getvalue()
