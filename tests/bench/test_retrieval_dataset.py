import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.retrieval_dataset import DatasetProblem, read_dataset

Write = Callable[[str, str], Path]
GOOD = json.dumps({"image": "a.png", "captions": ["a cat", "a pet"]})


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    """The picture of GOOD, beside a file that a test writes."""
    (tmp_path / "a.png").touch()
    return tmp_path / "captions.jsonl"


def test_each_caption_looks_for_its_own_picture(captions: Path, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/b.png").touch()
    lines = [GOOD, "", json.dumps({"image": "sub/b.png", "captions": ["Gr\u00fcn"]})]
    captions.write_text("\n".join(lines), encoding="utf-8")
    dataset = read_dataset(captions)
    assert dataset.pictures == (tmp_path / "a.png", tmp_path / "sub/b.png")
    assert [(query.text, query.right) for query in dataset.queries] == [
        ("a cat", (0,)),
        ("a pet", (0,)),
        ("Gr\u00fcn", (1,)),
    ]
    assert [query.group for query in dataset.queries] == [0, 0, 1]


def test_pictures_may_lie_in_images_beside_the_file_and_one_named_twice_is_one(
    captions: Path,
    tmp_path: Path,
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "a.png").rename(tmp_path / "images/a.png")
    captions.write_text(f"{GOOD}\n{GOOD}\n")
    dataset = read_dataset(captions)
    assert dataset.pictures == (tmp_path / "images/a.png",)
    assert len(dataset.queries) == 4


def test_a_limit_takes_the_first_lines(captions: Path) -> None:
    captions.write_text(f"{GOOD}\nnot JSON, but never read")
    assert len(read_dataset(captions, limit=1).pictures) == 1


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("a.png a cat", r"it is not JSON \(Expecting value, column 1\)"),
        ("[1]", "it is not a JSON object"),
        (json.dumps({"captions": ["a"]}), '"image" is missing, not a path'),
        (json.dumps({"image": 7, "captions": ["a"]}), '"image" is 7, not a path'),
        (json.dumps({"image": "b.png", "captions": ["a"]}), "b.png is not there, seen from /"),
        (json.dumps({"image": "a.png"}), '"captions" is missing, not a list of texts'),
        (json.dumps({"image": "a.png", "captions": "a cat"}), '"captions" is "a cat", not a list'),
        (json.dumps({"image": "a.png", "captions": []}), r'"captions" is \[\], not a list'),
        (json.dumps({"image": "a.png", "captions": [" "]}), r'"captions" is \[" "\], not a list'),
    ],
)
def test_a_wrong_line_is_named_with_what_is_allowed(
    captions: Path, line: str, problem: str
) -> None:
    captions.write_text(f"{GOOD}\n{line}\n")
    with pytest.raises(DatasetProblem, match=rf'captions\.jsonl, line 2: {problem}.*"captions"'):
        read_dataset(captions)


def test_a_line_that_is_not_utf_8_is_named(captions: Path) -> None:
    captions.write_bytes(b'{"image": "\xff"}')
    with pytest.raises(DatasetProblem, match=r"line 1: it is not UTF-8 \(byte 12\)"):
        read_dataset(captions)


def test_a_label_is_a_query_for_all_pictures_of_its_folder(picture: Write, tmp_path: Path) -> None:
    for name in ("polar_bear/1.png", "polar_bear/more/2.png", "cat/1.png"):
        picture(name, "red")
    (tmp_path / "empty").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "cat/notes.txt").write_text("not a picture")
    dataset = read_dataset(tmp_path, prompt="one {}!")
    named = {
        query.text: {dataset.pictures[p].relative_to(tmp_path).as_posix() for p in query.right}
        for query in dataset.queries
    }
    assert named == {
        "one cat!": {"cat/1.png"},
        "one polar bear!": {"polar_bear/1.png", "polar_bear/more/2.png"},
    }


def test_a_limit_keeps_as_many_labels_as_it_can(picture: Write, tmp_path: Path) -> None:
    for label in "abc":
        for number in range(5):
            picture(f"{label}/{number}.png", "red")
    dataset = read_dataset(tmp_path, limit=4)
    assert [path.relative_to(tmp_path).as_posix() for path in dataset.pictures] == [
        "a/0.png",
        "b/0.png",
        "c/0.png",
        "a/1.png",
    ]
    assert [query.right for query in dataset.queries] == [(0, 3), (1,), (2,)]


def _no_file(folder: Path) -> dict[str, Any]:
    return {"path": folder / "nothing"}


def _empty_file(folder: Path) -> dict[str, Any]:
    (folder / "empty.jsonl").write_text("\n")
    return {"path": folder / "empty.jsonl"}


def _no_labels(folder: Path) -> dict[str, Any]:
    return {"path": folder}


def _no_place_for_the_label(folder: Path) -> dict[str, Any]:
    return {"path": folder, "prompt": "a photo"}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (_no_file, "does not exist; a dataset is a JSONL file or a folder of labels"),
        (_empty_file, "holds no lines; each is"),
        (_no_labels, "holds no folders of pictures; a folder of labels has one folder a label"),
        (_no_place_for_the_label, "has no {} where the label belongs"),
    ],
)
def test_what_is_no_dataset_is_refused_and_told_why(
    tmp_path: Path, arguments: Callable[[Path], dict[str, Any]], problem: str
) -> None:
    with pytest.raises(DatasetProblem, match=problem):
        read_dataset(**arguments(tmp_path))


def test_without_some_pictures_queries_that_have_none_left_go_too(
    picture: Write, tmp_path: Path
) -> None:
    for name in ("a/0.png", "a/1.png", "b/0.png"):
        picture(name, "red")
    dataset = read_dataset(tmp_path)
    assert [path.parent.name for path in dataset.pictures] == ["a", "b", "a"]
    left = dataset.only([2])
    assert [(query.text, query.right) for query in left.queries] == [("a photo of a a", (0,))]
    assert left.pictures == (tmp_path / "a/1.png",)
