import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from bench.retrieval import Evaluation, NamedEncoder, evaluate
from bench.retrieval_dataset import Dataset, DatasetProblem, captions_dataset
from bench.retrieval_table import show
from tests.bench.conftest import ColourEncoder
from viewfinder.pixels import PixelPool

Write = Callable[[str, str], Path]


@pytest.fixture
def dataset(picture: Write) -> Dataset:
    colours = ["red", "green", "blue"]
    return captions_dataset((picture(f"{c}.png", c), [f"something {c}"]) for c in colours)


def run(dataset: Dataset, pool: PixelPool, *encoders: ColourEncoder) -> Evaluation:
    named = [NamedEncoder(f"number {n}", encoder) for n, encoder in enumerate(encoders)]
    return evaluate(dataset, named, pool, Console(file=io.StringIO()))


def test_a_good_encoder_finds_every_picture_first(dataset: Dataset, pool: PixelPool) -> None:
    figures = run(dataset, pool, ColourEncoder(max_batch=2)).figures()
    assert (figures["queries"], figures["pictures"], figures["unreadable"]) == (3, 3, 0)
    assert (figures["r_at_1"], figures["mrr"], figures["median_rank"]) == (100, 1, 1)


def test_two_encoders_are_compared_and_every_figure_is_flat(
    dataset: Dataset, pool: PixelPool
) -> None:
    found = run(dataset, pool, ColourEncoder(), ColourEncoder(16, blind="red"))
    figures = found.figures()
    assert figures["first_r_at_1"] == 100
    assert figures["second_r_at_1"] < 100
    assert figures["difference_r_at_1"] == pytest.approx(figures["second_r_at_1"] - 100, abs=1e-3)
    assert figures["difference_mrr_low"] <= figures["difference_mrr"] <= 0
    assert all(isinstance(value, int | float | str) for value in figures.values())


def test_the_table_names_both_encoders_and_the_difference(
    dataset: Dataset, pool: PixelPool
) -> None:
    text = io.StringIO()
    show(
        Console(file=text, width=100),
        run(dataset, pool, ColourEncoder(), ColourEncoder(blind="red")),
    )
    assert "number 0" in text.getvalue()
    assert "95 % interval" in text.getvalue()


def test_pictures_that_cannot_be_read_are_listed_and_left_out(
    dataset: Dataset, pool: PixelPool, tmp_path: Path
) -> None:
    (tmp_path / "green.png").write_bytes(b"this is no picture")
    (tmp_path / "blue.png").unlink()
    found = run(dataset, pool, ColourEncoder())
    assert [picture.path.name for picture in found.broken] == ["green.png", "blue.png"]
    assert "green.png" in found.broken[0].reason
    assert found.broken[1].reason == "No such file or directory"
    assert [query.text for query in found.dataset.queries] == ["something red"]
    assert found.figures()["unreadable"] == 2


def test_a_dataset_without_one_readable_picture_is_an_error(
    dataset: Dataset, pool: PixelPool
) -> None:
    for path in dataset.pictures:
        path.unlink()
    with pytest.raises(DatasetProblem, match=r"none of 3 pictures can be read; the first, .*red"):
        run(dataset, pool, ColourEncoder())


def test_batches_are_no_larger_than_every_encoder_allows(dataset: Dataset, pool: PixelPool) -> None:
    small, large = ColourEncoder(max_batch=2), ColourEncoder(16, max_batch=32)
    run(dataset, pool, small, large)
    assert small.batches == large.batches == [2, 1]


def test_vectors_that_are_not_numbers_are_an_error_not_a_good_result(
    dataset: Dataset, pool: PixelPool
) -> None:
    with pytest.raises(ArithmeticError, match="number 0 makes vectors that are not numbers"):
        run(dataset, pool, ColourEncoder(is_broken=True))
