"""What there is to learn from, and how a batch of it is drawn."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from training.names import TEMPLATES, ClassText, say, say_label
from training.objects import ClassSpace
from training.text_tower import UNKNOWN, drop_words, pad, tokenise


@dataclass(frozen=True)
class Lessons:
    """What there is to learn from; views are features [n, z] of the same pictures."""

    photo_views: list[Tensor]
    captions: list[list[str]]
    label_views: list[Tensor]
    labels: list[str]
    classes: list[ClassText]
    space: ClassSpace

    def tokens(self, tokenizer: Tokenizer) -> list[int]:
        """The word pieces that occur; only these are worth an optimiser's memory."""
        texts = [caption for group in self.captions for caption in group]
        texts += list(TEMPLATES)
        for spoken in self.classes:
            texts += [spoken.definition, *(f"a {name}" for name in spoken.names), *spoken.names]
        texts += self.labels
        return sorted({token for row in tokenise(tokenizer, texts) for token in row} | {UNKNOWN})


@dataclass(frozen=True)
class BatchSizes:
    """How many captioned photos, class names and labelled pictures go into one step."""

    captions: int = 384
    classes: int = 96
    labels: int = 32


@dataclass(frozen=True)
class Batch:
    """Row i of the pictures belongs to row i of the texts: captions, then names, then labels."""

    features: Tensor  # [n, z]
    logits: Tensor  # [n, 1000]
    ids: Tensor  # [n, t]
    mask: Tensor  # [n, t]
    parts: tuple[slice, slice, slice]


def rounds(count: int, batch: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Endless batches that see every item once a round."""
    while True:
        order = rng.permutation(count)
        for start in range(0, count - batch + 1, batch):
            yield order[start : start + batch]


class Batches:
    """Draws batches; the same seed draws the same ones."""

    def __init__(
        self,
        lessons: Lessons,
        tokenizer: Tokenizer,
        tokens: list[int],
        sizes: BatchSizes,
        word_dropout: float,
        seed: int,
    ) -> None:
        self._lessons = lessons
        self._tokenizer = tokenizer
        self._place = {token: row for row, token in enumerate(tokens)}
        self._sizes = sizes
        self._word_dropout = word_dropout
        self._rng = np.random.default_rng(seed)
        self._words = random.Random(seed)  # noqa: S311 - nothing secret here
        self._generator = torch.Generator().manual_seed(seed)
        self._captions = [self._read(group) for group in lessons.captions]
        self._photos = rounds(len(lessons.captions), sizes.captions, self._rng)
        self._by_label: dict[str, list[int]] = {}
        for i, label in enumerate(lessons.labels):
            self._by_label.setdefault(label, []).append(i)

    def draw(self) -> Batch:
        """Photos with one caption each, stand-in pictures with names, pictures with labels."""
        photos, captions, view = self._draw_captions()
        stand_ins, names = self._draw_names(view)
        labelled, labels = self._draw_labels()
        features = torch.cat([photos, stand_ins, labelled])
        rows = drop_words(captions + self._read(names + labels), self._word_dropout, self._words)
        ids, mask = pad(rows)
        n, m = len(photos), len(photos) + len(stand_ins)
        parts = (slice(0, n), slice(n, m), slice(m, len(features)))
        return Batch(features, self._lessons.space.logits(features), ids, mask, parts)

    def _read(self, texts: list[str]) -> list[list[int]]:
        ids = tokenise(self._tokenizer, texts)
        return [[self._place[token] for token in row] for row in ids]

    def _draw_captions(self) -> tuple[Tensor, list[list[int]], int]:
        chosen = next(self._photos)
        captions = [self._words.choice(self._captions[i]) for i in chosen]
        views = self._lessons.photo_views
        view = self._rng.integers(0, len(views), len(chosen))
        seen = [views[v][i] for v, i in zip(view, chosen, strict=True)]
        return torch.stack(seen).float(), captions, int(view[0])

    def _draw_names(self, view: int) -> tuple[Tensor, list[str]]:
        lessons, rng = self._lessons, self._rng
        photos = lessons.photo_views[view]
        classes = torch.from_numpy(rng.permutation(len(lessons.classes))[: self._sizes.classes])
        ground = photos[torch.from_numpy(rng.integers(0, len(photos), len(classes)))].float()
        stand_ins = lessons.space.pretend(ground, classes, self._generator)
        return stand_ins, [say(lessons.classes[c], self._words) for c in classes]

    def _draw_labels(self) -> tuple[Tensor, list[str]]:
        views, rng = self._lessons.label_views, self._rng
        names = sorted(self._by_label)
        labels = [names[i] for i in rng.permutation(len(names))[: self._sizes.labels]]
        spoken = [say_label(label, self._words) for label in labels]
        pick = [self._words.choice(self._by_label[label]) for label in labels]
        return views[int(rng.integers(0, len(views)))][pick].float(), spoken
