"""Pictures with what describes them: the questions of an evaluation and their right answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".avif"}
)
LABEL_TEMPLATE = "a photo of a {}"


class WrongDataset(ValueError):
    """It cannot be read; the message names the file, the line, and what is allowed."""


@dataclass(frozen=True)
class Question:
    """A text, and the pictures (indices into the dataset's) that are right answers."""

    text: str
    right: frozenset[int]


@dataclass(frozen=True)
class Dataset:
    """Pictures, and questions about them."""

    name: str
    pictures: list[Path]
    questions: list[Question]

    def first(self, count: int) -> Dataset:
        """Its first pictures only, and the questions that are left of them."""
        if count >= len(self.pictures):
            return self
        left = [
            Question(question.text, frozenset(i for i in question.right if i < count))
            for question in self.questions
        ]
        return Dataset(self.name, self.pictures[:count], [q for q in left if q.right])

    def without(self, unreadable: set[int]) -> Dataset:
        """The same without these pictures."""
        kept = [i for i in range(len(self.pictures)) if i not in unreadable]
        place = {old: new for new, old in enumerate(kept)}
        left = [
            Question(q.text, frozenset(place[i] for i in q.right if i in place))
            for q in self.questions
        ]
        pictures = [self.pictures[i] for i in kept]
        return Dataset(self.name, pictures, [q for q in left if q.right])


def load(path: Path) -> Dataset:
    """A JSONL file of pictures with captions, or a folder of folders named by what they show.

    JSONL: one object a line, {"image": PATH, "captions": [TEXT, ...]}; paths are relative to the
    file, or to a folder `images` beside it. A folder `cup` of pictures is asked for as "a photo of
    a cup"; all pictures in it are right answers.

    Raises:
        WrongDataset: it is neither, or empty.
    """
    if path.is_dir():
        dataset = _labels(path)
    elif path.is_file():
        dataset = _captions(path)
    else:
        raise WrongDataset(f"{path} is not there; give a JSONL file or a folder of label folders")
    if not dataset.questions:
        raise WrongDataset(f"{path} holds no picture with a description")
    return dataset


def _captions(path: Path) -> Dataset:
    pictures: list[Path] = []
    questions: list[Question] = []
    for where, line in _lines(path):
        try:
            row = json.loads(line)
            image, captions = row["image"], row["captions"]
        except (ValueError, KeyError, TypeError):
            image, captions = None, None
        if (
            not isinstance(image, str)
            or not isinstance(captions, list)
            or not all(isinstance(caption, str) and caption.strip() for caption in captions)
        ):
            raise WrongDataset(
                f'{where} is {line[:80]!r}; allowed: {{"image": "PATH", "captions": ["TEXT", ...]}}'
            )
        picture = next(
            (p for p in (path.parent / image, path.parent / "images" / image) if p.is_file()), None
        )
        if picture is None:
            raise WrongDataset(f"{where}: {image} is not there, seen from {path.parent}")
        questions += [Question(caption, frozenset({len(pictures)})) for caption in captions]
        pictures.append(picture)
    return Dataset(path.stem, pictures, questions)


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongDataset(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield f"{path}, line {number}", line


def _labels(path: Path) -> Dataset:
    pictures: list[Path] = []
    questions: list[Question] = []
    for folder in sorted(p for p in path.iterdir() if p.is_dir()):
        found = sorted(
            p for p in folder.rglob("*") if p.is_file() and p.suffix.lower() in PICTURE_SUFFIXES
        )
        if found:
            right = frozenset(range(len(pictures), len(pictures) + len(found)))
            label = folder.name.replace("_", " ")
            questions.append(Question(LABEL_TEMPLATE.format(label), right))
            pictures += found
    return Dataset(path.name, pictures, questions)
