"""Fewer numbers a vector: the directions in which pictures and texts differ most.

Several members' vectors, one after the other, say much the same. On their principal directions
a third of the numbers gives the same recall (measured: docs/models/mini.md).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from tokenizers import Tokenizer
from torch import Tensor

from training.batches import Lessons
from training.names import say
from training.towers import Towers

NAMES_EACH = 3


def principal_directions(
    members: Sequence[Towers], lessons: Lessons, tokenizer: Tokenizer, dim: int, seed: int
) -> Tensor:
    """A matrix [members * dim, dim] with orthonormal columns, from training data alone."""
    words = random.Random(seed)  # noqa: S311 - nothing secret here
    generator = torch.Generator().manual_seed(seed)
    photos = lessons.photo_views[0]
    classes = torch.arange(len(lessons.classes)).repeat(NAMES_EACH)
    ground = torch.randint(0, len(photos), (len(classes),), generator=generator)
    stand_in = lessons.space.pretend(photos[ground].float(), classes, generator)
    seen = [photos, stand_in, *lessons.label_views[:1]]
    texts = [words.choice(captions) for captions in lessons.captions]
    texts += [say(lessons.classes[c], words) for c in classes.tolist()]
    pictures = torch.cat(
        [
            torch.cat([towers.embed_pictures(part, lessons.space) for part in seen])
            for towers in members
        ],
        1,
    )
    spoken = torch.cat([towers.embed_texts(texts, tokenizer) for towers in members], 1)
    spread = pictures.T @ pictures / len(pictures) + spoken.T @ spoken / len(spoken)
    directions = torch.linalg.eigh(spread.double()).eigenvectors
    return directions[:, -dim:].flip(1).float().contiguous()
