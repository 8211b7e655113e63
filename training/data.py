"""The pictures and captions to train and to measure on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Captioned:
    """Pictures with their captions: `captions[i]` describe `pictures[i]`."""

    pictures: list[Path]
    captions: list[list[str]]


@dataclass(frozen=True)
class Labelled:
    """Pictures with one name each, in words."""

    pictures: list[Path]
    labels: list[str]


def flickr(data: Path, split: str) -> Captioned:
    """Flickr8k (Hodosh, Young, Hockenmaier 2013): `split` is train or dev."""
    lines = (data / "flickr8k" / f"{split}.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    folder = data / "flickr8k" / "images"
    return Captioned([folder / row["image"] for row in rows], [row["captions"] for row in rows])


def caltech(data: Path) -> Labelled:
    """Caltech-101: the folder is the label."""
    pictures = sorted((data / "caltech101").glob("*/*.jpg"))
    return Labelled(pictures, [path.parent.name.replace("_", " ") for path in pictures])


def imagenet_names(data: Path) -> Labelled:
    """500 photos of 500 classes, the name in the file name. To measure on, never to train on."""
    pictures = sorted((data / "imagenet_names").glob("*.jpg"))
    return Labelled(pictures, [path.stem.split("_", 1)[1].replace("_", " ") for path in pictures])
