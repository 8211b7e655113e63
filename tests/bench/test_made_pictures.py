import io
import json
from pathlib import Path

from PIL import Image

from bench.figures import report, summary
from bench.made_pictures import made_pictures


def test_made_pictures_are_distinct_and_the_same_every_time() -> None:
    first = list(made_pictures(30, 64, 48, seed=5))
    assert len(set(first)) == 30
    assert first == list(made_pictures(30, 64, 48, seed=5))
    assert not set(first) & set(made_pictures(30, 64, 48, seed=6))
    assert Image.open(io.BytesIO(first[0])).size == (64, 48)


def test_a_summary_is_flat_and_in_milliseconds() -> None:
    figures = summary("search", [0.001] * 99 + [1.0])
    assert figures["search_p50_ms"] == 1.0
    assert figures["search_max_ms"] == 1000.0
    assert all(isinstance(value, float) for value in figures.values())


def test_a_report_writes_the_figures_for_others_to_check(tmp_path: Path) -> None:
    report("Title", {"pictures": 3, "rate": 1.5}, tmp_path / "figures.json")
    assert json.loads((tmp_path / "figures.json").read_text()) == {"pictures": 3, "rate": 1.5}
