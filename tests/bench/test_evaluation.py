"""`viewfinder eval retrieval` on small datasets of real pictures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import skimage.data
from PIL import Image
from typer.testing import CliRunner

from bench.datasets import WrongDataset, load
from viewfinder.cli.__main__ import make_app

PICTURES = {
    "cat": ["a cat", "a cat looks at us"],
    "coffee": ["a cup of coffee"],
    "astronaut": ["a woman in a space suit"],
}


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    """A JSONL of three pictures, in a folder `images` beside it."""
    folder = tmp_path / "images"
    folder.mkdir()
    lines = []
    for name, texts in PICTURES.items():
        Image.fromarray(getattr(skimage.data, name)()).save(folder / f"{name}.jpg")
        lines.append(json.dumps({"image": f"{name}.jpg", "captions": texts}))
    file = tmp_path / "some.jsonl"
    file.write_text("\n".join(lines) + "\n")
    return file


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(make_app(), ["eval", "retrieval", *arguments])
    return result.exit_code, result.output


def test_captions_find_their_pictures(captions: Path, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    status, shown = run(str(captions), "--encoder", "mini", "--json", str(figures))
    assert status == 0, shown
    found = json.loads(figures.read_text())
    assert (found["queries"], found["pictures"], found["unreadable"]) == (4, 3, 0)
    assert found["r_at_1"] >= 75
    assert found["r_at_5"] == 100
    assert all(isinstance(value, int | float | str) for value in found.values())


def test_label_folders_are_questions_too(tmp_path: Path) -> None:
    for name in PICTURES:
        folder = tmp_path / "labels" / f"the_{name}"
        folder.mkdir(parents=True)
        for number in range(2):
            picture = Image.fromarray(getattr(skimage.data, name)())
            picture.rotate(number).save(folder / f"{number}.png")
    dataset = load(tmp_path / "labels")
    assert [question.text for question in dataset.questions] == [
        "a photo of a the astronaut",
        "a photo of a the cat",
        "a photo of a the coffee",
    ]
    assert [sorted(question.right) for question in dataset.questions] == [[0, 1], [2, 3], [4, 5]]


def test_two_encoders_side_by_side(captions: Path, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    arguments = ("--encoder", "mini", "--compare", "mini", "--json", str(figures))
    status, shown = run(str(captions), *arguments)
    assert status == 0, shown
    found = json.loads(figures.read_text())
    assert found["first_r_at_10"] == found["second_r_at_10"]
    assert found["difference_r_at_10"] == 0
    assert "95 % interval" in shown


def test_failures_are_shown_as_pictures_in_one_page(captions: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in captions.read_text().splitlines()]
    rows[0]["captions"] = ["a cup of coffee <script>alert(1)</script>"]  # of the cat
    captions.write_text("\n".join(json.dumps(row) for row in rows))
    report = tmp_path / "failures.html"
    status, shown = run(str(captions), "--encoder", "mini", "--report", str(report))
    assert status == 0, shown
    page = report.read_text()
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "data:image/webp;base64,UklGR" in page
    assert "cat.jpg" in page
    assert "http" not in page


def test_a_broken_picture_is_left_out_and_named(captions: Path) -> None:
    (captions.parent / "images" / "coffee.jpg").write_bytes(b"\xff\xd8\xff\xe0 no")
    status, shown = run(str(captions), "--encoder", "mini")
    assert status == 0
    assert "coffee.jpg" in shown.replace("\n", "")


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("no json", "line 2"),
        ('{"image": "cat.jpg"}', "captions"),
        ('{"image": "cat.jpg", "captions": "a cat"}', "line 2"),
        ('{"image": "cat.jpg", "captions": [""]}', "line 2"),
        ('{"image": "nowhere.jpg", "captions": ["a"]}', "nowhere.jpg"),
        ("[]", "line 2"),
    ],
)
def test_a_wrong_line_is_named_with_what_is_allowed(captions: Path, line: str, named: str) -> None:
    first = captions.read_text().splitlines()[0]
    captions.write_text(f"{first}\n{line}\n")
    with pytest.raises(WrongDataset, match=named):
        load(captions)


def test_what_is_no_dataset_is_one_line(tmp_path: Path) -> None:
    for wrong in (tmp_path / "nowhere", tmp_path):
        status, shown = run(str(wrong))
        assert status == 2
        assert "Traceback" not in shown


def test_an_unknown_encoder_is_named(captions: Path) -> None:
    status, shown = run(str(captions), "--encoder", "Nobody--knows")
    assert status == 2
    assert "Nobody--knows" in shown


def test_the_first_pictures_only(captions: Path) -> None:
    dataset = load(captions).first(2)
    assert len(dataset.pictures) == 2
    assert [question.text for question in dataset.questions] == [
        "a cat",
        "a cat looks at us",
        "a cup of coffee",
    ]
