"""Trains both towers together: captions with their photos, names with what they name."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from tqdm import tqdm

from training.names import TEMPLATES, ClassText, say, say_label
from training.objects import ClassSpace
from training.picture_head import PictureHead
from training.text_tower import TextTower, pad, tokenise


@dataclass(frozen=True)
class Recipe:
    """Everything that was chosen by measuring."""

    scene: int = 256
    objects: int = 128
    hidden: int = 1024
    steps: int = 1500
    captions_batch: int = 384
    classes_batch: int = 128
    labels_batch: int = 48
    rate: float = 1e-3
    embedding_rate: float = 3e-4
    weight_decay: float = 0.02
    picture_dropout: float = 0.3
    text_dropout: float = 0.2
    word_dropout: float = 0.1
    names_weight: float = 0.5
    average: float = 0.995
    seed: int = 7


@dataclass(frozen=True)
class Lessons:
    """What there is to learn from; views are features [n, z] of the same pictures."""

    photo_views: list[Tensor]
    captions: list[list[str]]
    label_views: list[Tensor]
    labels: list[str]
    classes: list[ClassText]
    space: ClassSpace


def contrast(a: Tensor, b: Tensor, scale: Tensor, same: Tensor | None = None) -> Tensor:
    """Symmetric InfoNCE of rows that belong together; `same` masks other true matches."""
    scores = scale * a @ b.T
    if same is not None:
        scores = scores.masked_fill(same, -1e4)
    target = torch.arange(len(a))
    loss: Tensor = nn.functional.cross_entropy(scores, target)
    return (loss + nn.functional.cross_entropy(scores.T, target)) / 2


def rounds(count: int, batch: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Endless batches that see every item once a round."""
    while True:
        order = rng.permutation(count)
        for start in range(0, count - batch + 1, batch):
            yield order[start : start + batch]


@dataclass
class Towers:
    """Both networks and their common temperature."""

    head: PictureHead
    text: TextTower
    scale: nn.Parameter

    def average_with(self, other: Towers, keep: float) -> None:
        """Exponential moving average: self becomes keep * self + (1 - keep) * other."""
        with torch.no_grad():
            for mine, new in ((self.head, other.head), (self.text, other.text)):
                for p, q in zip(mine.parameters(), new.parameters(), strict=True):
                    p.lerp_(q, 1 - keep)


def used_tokens(lessons: Lessons, tokenizer: Tokenizer) -> list[int]:
    """The word pieces that occur in training; only these are worth an optimiser's memory."""
    texts = [caption for group in lessons.captions for caption in group]
    texts += [say_label(label, random.Random(0)) for label in set(lessons.labels)]
    texts += list(TEMPLATES)
    for spoken in lessons.classes:
        texts += [spoken.definition, *(f"a {name}" for name in spoken.names), *spoken.names]
    texts += lessons.labels
    return sorted({token for row in tokenise(tokenizer, texts) for token in row} | {0})


def first_codes(space: ClassSpace, size: int) -> Tensor:
    """Class codes to start from: the classifier's rows, reduced to `size` directions."""
    rows = space.weight - space.weight.mean(0)
    u, s, _ = torch.linalg.svd(rows, full_matrices=False)
    return nn.functional.normalize(u[:, :size] * s[:size].sqrt(), dim=1)


def train(lessons: Lessons, embeddings: Tensor, tokenizer: Tokenizer, recipe: Recipe) -> Towers:
    """Returns the averaged towers. Embeddings of tokens never seen stay what they were."""
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    words = random.Random(recipe.seed)
    every = torch.cat(lessons.photo_views[:1])
    head = PictureHead(
        every.mean(0),
        every.std(0) + 0.05,
        first_codes(lessons.space, recipe.objects),
        recipe.scene,
        recipe.hidden,
        recipe.picture_dropout,
    )
    used = used_tokens(lessons, tokenizer)
    place = {token: row for row, token in enumerate(used)}
    text = TextTower(embeddings[used], recipe.scene + recipe.objects, recipe.text_dropout)
    towers = Towers(head, text, nn.Parameter(torch.tensor(np.log(20.0), dtype=torch.float32)))
    slow = list(text.embedding.parameters())
    quick = [p for n, p in text.named_parameters() if not n.startswith("embedding")]
    quick += [*head.parameters(), towers.scale]
    groups = [
        {"params": quick, "lr": recipe.rate, "weight_decay": recipe.weight_decay},
        {"params": slow, "lr": recipe.embedding_rate, "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        [recipe.rate, recipe.embedding_rate],
        total_steps=recipe.steps,
        pct_start=0.1,
        cycle_momentum=False,
    )
    averaged = copy.deepcopy(towers)

    def read(texts: list[str]) -> list[list[int]]:
        return [[place[token] for token in row] for row in tokenise(tokenizer, texts)]

    caption_ids = [read(group) for group in lessons.captions]
    photos = rounds(len(caption_ids), recipe.captions_batch, rng)
    by_label: dict[str, list[int]] = {}
    for i, label in enumerate(lessons.labels):
        by_label.setdefault(label, []).append(i)
    head.train()
    text.train()
    progress = tqdm(range(recipe.steps), desc="train", mininterval=5)
    for step in progress:
        # captions and their photos
        chosen = next(photos)
        rows = [words.choice(caption_ids[i]) for i in chosen]
        view = torch.from_numpy(rng.integers(0, len(lessons.photo_views), len(chosen)))
        seen = torch.stack([lessons.photo_views[v][i] for v, i in zip(view, chosen, strict=True)])
        seen = seen.float()
        # names and stand-in pictures, labels and their photos
        classes = torch.from_numpy(rng.permutation(len(lessons.classes))[: recipe.classes_batch])
        ground = lessons.photo_views[int(view[0])][
            torch.from_numpy(rng.integers(0, len(caption_ids), len(classes)))
        ].float()
        stand_in = lessons.space.pretend(ground, classes, generator)
        spoken = [say(lessons.classes[c], words) for c in classes]
        labels = [sorted(by_label)[i] for i in rng.permutation(len(by_label))]
        labels = labels[: recipe.labels_batch]
        spoken += [say_label(label, words) for label in labels]
        pick = [words.choice(by_label[label]) for label in labels]
        label_view = lessons.label_views[int(rng.integers(0, len(lessons.label_views)))]
        features = torch.cat([seen, stand_in, label_view[pick].float()])
        ids, mask = pad(rows + read(spoken), recipe.word_dropout, words)
        pictures = towers.head(features, lessons.space.logits(features))
        texts = nn.functional.normalize(towers.text(ids, mask), dim=1)
        scale = towers.scale.exp().clamp(max=100)
        n, m = len(chosen), len(chosen) + len(classes)
        caption_loss = contrast(texts[:n], pictures[:n], scale)
        name_loss = contrast(texts[n:m], pictures[n:m], scale)
        loss = caption_loss + recipe.names_weight * name_loss
        if labels:
            loss = loss + 0.25 * recipe.names_weight * contrast(texts[m:], pictures[m:], scale)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        averaged.average_with(towers, min(recipe.average, step / (step + 10)))
        if step % 50 == 0:
            progress.set_postfix_str(
                f"captions {caption_loss.item():.2f} names {name_loss.item():.2f} "
                f"scale {scale.item():.0f} share {torch.sigmoid(head.balance).item():.2f}"
            )
    table = embeddings.clone()
    table[used] = averaged.text.embedding.weight.detach()
    averaged.text.embedding = nn.Embedding.from_pretrained(table)
    averaged.head.eval()
    averaged.text.eval()
    return averaged
