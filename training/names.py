"""Names of the 1,000 classes that the backbone knows, and sentences made of them.

Class order, synonyms and definitions are WordNet's, from the text files that timm carries.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from training.packages import package_folder

TEMPLATES = (
    "a photo of a {}",
    "a photo of a {}",
    "a photo of the {}",
    "a picture of a {}",
    "an image of a {}",
    "photo of {}",
    "a {}",
    "the {}",
    "{}",
    "{}",
    "a close-up photo of a {}",
    "there is a {} in the picture",
    "a photo of {}",
    "some {}",
)


@dataclass(frozen=True)
class ClassText:
    """What WordNet says about one class."""

    names: tuple[str, ...]
    definition: str


def _table(file_name: str) -> dict[str, str]:
    text = (package_folder("timm") / "data" / "_info" / file_name).read_text()
    return dict(line.split("\t", 1) for line in text.splitlines() if "\t" in line)


def class_texts() -> list[ClassText]:
    """The classes in the order of the backbone's 1,000 outputs."""
    synsets = (
        (package_folder("timm") / "data" / "_info" / "imagenet_synsets.txt").read_text().split()
    )
    lemmas = _table("imagenet_synset_to_lemma.txt")
    definitions = _table("imagenet_synset_to_definition.txt")
    return [
        ClassText(
            tuple(name.strip().lower() for name in lemmas[synset].split(",")),
            definitions[synset].lower(),
        )
        for synset in synsets
    ]


def say(text: ClassText, rng: random.Random) -> str:
    """One way to ask for a class: mostly its first name in a template, sometimes its definition."""
    if rng.random() < 0.12:
        return " ".join(text.definition.split()[:12])
    name = text.names[0] if rng.random() < 0.5 else rng.choice(text.names)
    return rng.choice(TEMPLATES).format(name)


def say_label(label: str, rng: random.Random) -> str:
    """One way to ask for a label of Caltech-101."""
    return rng.choice(TEMPLATES).format(label)
