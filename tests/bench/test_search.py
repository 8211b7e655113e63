"""`viewfinder bench search`: what is asked, what is told of it, and how it ends."""

from __future__ import annotations

import itertools
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.http_client import HttpTrouble
from bench.latency_plot import latency_svg
from bench.query_texts import QUERIES, varied
from bench.search import Search, SearchLoad, measure_search, own_times_ms
from bench.targets import missed, parse_targets
from tests.bench.fake_gateway import FakeGateway, fake_gateway
from viewfinder.cli.__main__ import make_app


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    with fake_gateway() as gateway:
        yield gateway


def run(*arguments: str) -> int:
    return CliRunner().invoke(make_app(), ["bench", "search", *arguments]).exit_code


def test_no_text_is_asked_twice(gateway: FakeGateway) -> None:
    measure_search(gateway.url, SearchLoad(40, concurrency=3, warm_up=5))
    texts = [search["query"] for search in gateway.searches]
    assert len(texts) == len(set(texts)) == 45


def test_texts_never_repeat_however_many_are_asked() -> None:
    texts = list(itertools.islice(varied(0), 9000))
    assert len(set(texts)) == 9000


def test_with_the_cache_the_same_fifteen_are_asked(gateway: FakeGateway) -> None:
    measure_search(gateway.url, SearchLoad(40, warm_up=0, cache=True))
    assert {search["query"] for search in gateway.searches} == set(QUERIES)


def test_figures_tell_percentiles_throughput_and_hops(gateway: FakeGateway) -> None:
    run = measure_search(gateway.url, SearchLoad(20, warm_up=0))
    figures = run.figures()
    for name in ("p50", "p90", "p95", "p99", "min", "max", "mean", "stddev"):
        assert f"search_{name}_ms" in figures
    for hop in ("client", "gateway", "search_service", "embedding", "index"):
        assert f"hop_{hop}_p95_ms" in figures
    assert figures["vectors"] == 7
    assert figures["dim"] == 512
    assert figures["requests"] == 20
    assert figures["mean_hits"] == 2
    assert float(figures["searches_per_s"]) > 0
    assert float(figures["client_cpu_ms"]) > 0


def test_a_hop_is_what_it_spent_itself() -> None:
    timing = {"gateway": 5.0, "service": 4.0, "embedding": 1.0, "index": 2.0}
    assert own_times_ms(Search(0.006, timing, 10, cached=False)) == {
        "client": 1.0,
        "gateway": 1.0,
        "search_service": 1.0,
        "embedding": 1.0,
        "index": 2.0,
    }


def test_a_gateway_that_tells_nothing_of_its_hops_is_measured_all_the_same(
    gateway: FakeGateway,
) -> None:
    gateway.timing = "cdn;desc=hit"
    figures = measure_search(gateway.url, SearchLoad(3, warm_up=0)).figures()
    assert not [name for name in figures if name.startswith(("hop_", "overhead_"))]


def test_an_error_of_the_gateway_ends_the_measurement(gateway: FakeGateway) -> None:
    gateway.status = 503
    with pytest.raises(HttpTrouble, match="503"):
        measure_search(gateway.url, SearchLoad(3))


def test_the_command_writes_figures_and_a_plot(gateway: FakeGateway, tmp_path: Path) -> None:
    figures, plot = tmp_path / "search.json", tmp_path / "search.svg"
    status = run(
        "--api-url", gateway.url, "-n", "20", "--filter", "on", "--json", str(figures),
        "--plot", str(plot), "--target", "p95=60000,p99=60000",
    )  # fmt: skip
    assert status == 0
    assert json.loads(figures.read_text())["filtered"] == 1
    assert gateway.searches[0]["filters"] == {"category": "category-00"}
    assert "P95" in plot.read_text()


def test_a_target_that_is_missed_is_exit_status_1(gateway: FakeGateway) -> None:
    assert run("--api", gateway.url, "-n", "5", "--target", "p95=0.000001") == 1


def test_a_gateway_that_is_away_is_exit_status_1() -> None:
    assert run("--api", "http://127.0.0.1:9", "-n", "5") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--target", "p97=3"),
        ("--target", "p95=fast"),
        ("--filter", "101"),
        ("--filter", "nonsense"),
        ("--plot", "a.jpg"),
        ("--plot", "/nowhere/a.svg"),
    ],
)
def test_wrong_arguments_are_exit_status_2(arguments: tuple[str, ...]) -> None:
    assert run("--api", "http://127.0.0.1:9", *arguments) == 2


def test_targets_are_compared_with_the_figures() -> None:
    figures = {"search_p95_ms": 10.0, "search_p99_ms": 30.0}
    assert missed(parse_targets("p95=10, p99=20"), figures) == ["p99 is 30.0 ms, the target 20 ms"]


def test_a_plot_is_svg_with_the_aims_in_it() -> None:
    svg = latency_svg("a < b", [0.001, 0.002, 0.0021, 0.05], {"p95": 20.0})
    root = ElementTree.fromstring(svg)
    assert root.tag.endswith("svg")
    assert "aim p95" in svg
    assert latency_svg("one", [0.001], {})
