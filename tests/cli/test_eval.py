"""`viewfinder eval retrieval` and `bench encode` as they are typed, with the encoder in the box."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from viewfinder.cli.__main__ import make_app
from viewfinder.cli.samples import sample_pictures

LABELS = {"cat": "chelsea", "cup_of_coffee": "coffee", "motorcycle": "motorcycle_left"}


@pytest.fixture
def labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VIEWFINDER_DATA_DIR", str(tmp_path / "data"))
    samples = {path.stem: path for path in sample_pictures()}
    for label, sample in LABELS.items():
        (tmp_path / "labels" / label).mkdir(parents=True)
        shutil.copy(samples[sample], tmp_path / "labels" / label)
    return tmp_path / "labels"


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(make_app(), [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def test_a_folder_of_labels_is_measured_and_the_figures_are_one_flat_object(labels: Path) -> None:
    figures_file, report = labels.parent / "figures.json", labels.parent / "failures.html"
    status, shown, problems = run(
        "eval", "retrieval", labels, "--encoder", "mini", "--json", figures_file, "--report", report
    )  # fmt: skip
    assert (status, problems) == (0, "")
    assert "3 queries among 3 pictures" in shown
    figures = json.loads(figures_file.read_text())
    assert figures["encoder"] == "mini"
    assert figures["r_at_1"] == 100
    assert report.read_text("utf-8").startswith("<!doctype html>")


def test_a_broken_picture_is_named_and_the_rest_is_measured(labels: Path) -> None:
    (labels / "cat" / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing more")
    status, shown, _ = run("eval", "retrieval", labels, "--encoder", "mini")
    assert status == 0
    assert "1 pictures cannot be read" in shown
    assert "broken.jpg" in shown
    assert "3 queries among 3 pictures" in shown


def test_a_wrong_line_ends_with_its_number_and_what_is_allowed(labels: Path) -> None:
    file = labels / "captions.jsonl"
    file.write_text('{"image": "cat/chelsea.png"}\n')
    status, _, problems = run("eval", "retrieval", file)
    assert status == 2
    assert f"{file}, line 1:" in problems
    assert '"captions": [' in problems


def test_an_unknown_encoder_is_a_wrong_argument(labels: Path) -> None:
    for arguments in (
        ("eval", "retrieval", labels, "--encoder", "mini", "--compare", "nobody"),
        ("bench", "encode", "--encoder", "nobody"),
    ):
        status, _, problems = run(*arguments)
        assert status == 2
        assert "there is no model 'nobody'" in problems


def test_nothing_is_measured_when_the_results_could_not_be_written(labels: Path) -> None:
    status, shown, problems = run("eval", "retrieval", labels, "--report", labels / "no/such.html")
    assert status == 2
    assert "its folder does not exist" in problems
    assert shown == ""
