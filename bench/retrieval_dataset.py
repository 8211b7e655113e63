"""What a search is measured on: texts, pictures, and which pictures are right for which text."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from viewfinder.cli.walking import walk

PROMPT = "a photo of a {}"
_LINE = '{"image": "path of the picture", "captions": ["what it shows", ...]}'


class DatasetProblem(ValueError):
    """What is wrong with a dataset, where, and what is allowed."""


@dataclass(frozen=True)
class Query:
    """A text; `right` are positions of the pictures that answer it, one at least.

    `group` joins queries that are not independent, such as the captions of one picture.
    """

    text: str
    right: tuple[int, ...]
    group: int


@dataclass(frozen=True)
class Dataset:
    """Queries among pictures."""

    pictures: tuple[Path, ...]
    queries: tuple[Query, ...]

    def only(self, kept: Sequence[int]) -> Dataset:
        """With these pictures alone, in their order; queries left without any go, too."""
        position = {picture: number for number, picture in enumerate(kept)}
        queries = (
            Query(query.text, tuple(position[p] for p in query.right if p in position), query.group)
            for query in self.queries
        )
        pictures = tuple(self.pictures[picture] for picture in kept)
        return Dataset(pictures, tuple(query for query in queries if query.right))


def read_dataset(path: Path, *, prompt: str = PROMPT, limit: int | None = None) -> Dataset:
    """A JSONL file of captions, or a folder of label folders; at most `limit` pictures.

    Paths in a JSONL file are relative to the file, or to a folder `images` beside it. Of label
    folders a limit takes the first picture of each label, then the second, and so on.

    Raises:
        DatasetProblem: the message names the file, the line and what is allowed.
    """
    if path.is_dir():
        return _of_labels(path, prompt, limit)
    if path.is_file():
        return _of_captions(path, limit)
    raise DatasetProblem(f"{path} does not exist; a dataset is a JSONL file or a folder of labels")


def captions_dataset(rows: Iterable[tuple[Path, Sequence[str]]]) -> Dataset:
    """Each caption looks for its own picture; a picture that comes twice is one picture."""
    positions: dict[Path, int] = {}
    queries = []
    for picture, captions in rows:
        position = positions.setdefault(picture, len(positions))
        queries += [Query(caption, (position,), position) for caption in captions]
    return Dataset(tuple(positions), tuple(queries))


def _of_captions(file: Path, limit: int | None) -> Dataset:
    dataset = captions_dataset(itertools.islice(_lines(file), limit))
    if not dataset.queries:
        raise DatasetProblem(f"{file} holds no lines; each is {_LINE}")
    return dataset


def _lines(file: Path) -> Iterator[tuple[Path, list[str]]]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    yield _row(line, file.parent)
                except ValueError as error:
                    raise DatasetProblem(
                        f"{file}, line {number}: {error}; a line is {_LINE}"
                    ) from None


def _row(line: bytes, folder: Path) -> tuple[Path, list[str]]:
    try:
        row = json.loads(line.decode("utf-8").strip())
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 (byte {error.start + 1})") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON ({error.msg}, column {error.colno})") from None
    if not isinstance(row, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - the type of a file's content
    image, captions = row.get("image"), row.get("captions")
    if not isinstance(image, str) or not image or "\0" in image:
        raise ValueError(f'"image" is {_shown(row, "image")}, not a path')
    if (
        not isinstance(captions, list)
        or not captions
        or not all(isinstance(caption, str) and caption.strip() for caption in captions)
    ):
        raise ValueError(f'"captions" is {_shown(row, "captions")}, not a list of texts')
    for picture in (folder / image, folder / "images" / image):
        if picture.is_file():
            return picture, captions
    raise ValueError(f"{image} is not there, seen from {folder}")


def _shown(row: dict[str, object], key: str) -> str:
    if key not in row:
        return "missing"
    text = json.dumps(row[key], ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _of_labels(folder: Path, prompt: str, limit: int | None) -> Dataset:
    if "{}" not in prompt:
        raise DatasetProblem(f"the prompt {prompt!r} has no {{}} where the label belongs")
    found = {
        label.name: list(walk([label], recursive=True))
        for label in sorted(folder.iterdir())
        if label.is_dir() and not label.name.startswith(".")
    }
    labels = {label: pictures for label, pictures in found.items() if pictures}
    if not labels:
        raise DatasetProblem(
            f"{folder} holds no folders of pictures; a folder of labels has one folder a label,"
            " named by it, with its pictures inside"
        )
    # In turn, so that a limit leaves as many labels as it can.
    turns = itertools.zip_longest(*labels.values())
    taken = list(itertools.islice((p for turn in turns for p in turn if p is not None), limit))
    position = {picture: number for number, picture in enumerate(taken)}
    queries = []
    for group, (label, pictures) in enumerate(labels.items()):
        right = tuple(position[picture] for picture in pictures if picture in position)
        if right:
            queries.append(Query(prompt.replace("{}", label.replace("_", " ")), right, group))
    return Dataset(tuple(taken), tuple(queries))
