"""Trains both towers together: captions with their photos, names with what they name."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from tqdm import tqdm

from training.batches import Batches, BatchSizes, Lessons
from training.objects import ClassSpace
from training.picture_head import PictureHead
from training.text_tower import TextTower
from training.towers import Towers


@dataclass(frozen=True)
class Recipe:
    """Everything that was chosen by measuring."""

    scene: int = 256
    objects: int = 128
    hidden: int = 1024
    steps: int = 900
    sizes: BatchSizes = field(default_factory=BatchSizes)
    rate: float = 1e-3
    embedding_rate: float = 3e-4
    weight_decay: float = 0.02
    picture_dropout: float = 0.3
    text_dropout: float = 0.2
    word_dropout: float = 0.1
    names_weight: float = 0.5
    labels_weight: float = 0.125
    average: float = 0.995
    seed: int = 7


def contrast(texts: Tensor, pictures: Tensor, scale: Tensor) -> Tensor:
    """Symmetric InfoNCE of unit vectors [n, d] whose rows belong together."""
    scores = scale * texts @ pictures.T
    target = torch.arange(len(texts))
    loss: Tensor = nn.functional.cross_entropy(scores, target)
    return (loss + nn.functional.cross_entropy(scores.T, target)) / 2


def first_codes(space: ClassSpace, size: int) -> Tensor:
    """Class codes to start from: the classifier's rows, reduced to `size` directions."""
    rows = space.weight - space.weight.mean(0)
    u, s, _ = torch.linalg.svd(rows, full_matrices=False)
    return nn.functional.normalize(u[:, :size] * s[:size].sqrt(), dim=1)


def untrained(lessons: Lessons, embeddings: Tensor, tokenizer: Tokenizer, recipe: Recipe) -> Towers:
    """Towers with random weights, but for word vectors and class codes."""
    photos = lessons.photo_views[0]
    head = PictureHead(
        photos.mean(0),
        photos.std(0) + 0.05,
        first_codes(lessons.space, recipe.objects),
        recipe.scene,
        recipe.hidden,
        recipe.picture_dropout,
    )
    tokens = lessons.tokens(tokenizer)
    text = TextTower(embeddings[tokens], recipe.scene + recipe.objects, recipe.text_dropout)
    return Towers(head, text, nn.Parameter(torch.tensor(math.log(20.0))), tokens)


def optimiser_of(
    towers: Towers, recipe: Recipe
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """AdamW with one rise and fall of the rate; word vectors move slower and do not decay."""
    slow = list(towers.text.embedding.parameters())
    quick = [p for name, p in towers.text.named_parameters() if not name.startswith("embedding")]
    quick += [*towers.head.parameters(), towers.scale]
    optimiser = torch.optim.AdamW(
        [
            {"params": quick, "lr": recipe.rate, "weight_decay": recipe.weight_decay},
            {"params": slow, "lr": recipe.embedding_rate, "weight_decay": 0.0},
        ],
        betas=(0.9, 0.98),
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        [recipe.rate, recipe.embedding_rate],
        total_steps=recipe.steps,
        pct_start=0.1,
        cycle_momentum=False,
    )
    return optimiser, schedule


def train(lessons: Lessons, embeddings: Tensor, tokenizer: Tokenizer, recipe: Recipe) -> Towers:
    """Returns the averaged towers. Their table has the word pieces that occur in training only."""
    torch.manual_seed(recipe.seed)
    towers = untrained(lessons, embeddings, tokenizer, recipe)
    averaged = copy.deepcopy(towers)
    optimiser, schedule = optimiser_of(towers, recipe)
    batches = Batches(
        lessons, tokenizer, towers.tokens, recipe.sizes, recipe.word_dropout, recipe.seed
    )
    weights = (1.0, recipe.names_weight, recipe.labels_weight)
    towers.head.train()
    towers.text.train()
    progress = tqdm(range(recipe.steps), desc=f"train {recipe.seed}", mininterval=5)
    for step in progress:
        batch = batches.draw()
        pictures = towers.head(batch.features, batch.logits)
        texts = nn.functional.normalize(towers.text(batch.ids, batch.mask), dim=1)
        scale = towers.scale.exp().clamp(max=100)
        losses = [contrast(texts[part], pictures[part], scale) for part in batch.parts]
        loss = torch.stack([w * part for w, part in zip(weights, losses, strict=True)]).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        averaged.average_with(towers, min(recipe.average, step / (step + 10)))
        if step % 50 == 0:
            said = " ".join(f"{part.item():.2f}" for part in losses)
            progress.set_postfix_str(f"captions, names, labels {said} scale {scale.item():.0f}")
    averaged.head.eval()
    averaged.text.eval()
    return averaged
