"""Captions put together from words: as many different ones as a measurement needs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

_LOOKS = (
    "red", "blue", "green", "white", "black", "yellow", "brown", "old", "new", "small", "large",
    "wooden", "wet", "broken", "colourful", "empty", "bright", "dark", "rusty", "striped",
)  # fmt: skip
_THINGS = (
    "cat", "dog", "horse", "bird", "fish", "cow", "sheep", "elephant", "butterfly", "bear",
    "car", "bus", "bicycle", "motorcycle", "train", "boat", "airplane", "truck", "chair",
    "table", "lamp", "bed", "cup of coffee", "bottle", "cake", "pizza", "apple", "bowl of soup",
    "plate of pasta", "flower", "tree", "leaf", "mushroom", "mountain", "waterfall", "bridge",
    "castle", "church", "house", "tower", "street sign", "fence", "clock", "book", "phone",
    "laptop", "camera", "guitar", "piano", "ball", "kite", "umbrella", "hat", "shoe", "dress",
    "backpack", "suitcase", "toy", "teddy bear", "statue", "fountain", "bench", "tent",
    "surfboard", "pair of skis", "man", "woman", "child", "baby", "group of friends", "couple",
    "runner", "musician", "football player", "chef", "soldier", "farmer", "coin", "rocket",
    "telescope", "computer screen", "map", "painting", "candle", "mirror", "window", "door",
    "staircase",
)  # fmt: skip
_PLACES = (
    "on a beach", "in a forest", "on a street at night", "in a kitchen", "in a garden",
    "in the snow", "by a lake", "in a field of grass", "in front of a brick wall",
    "on a wooden table", "at sunset", "in a living room", "in a crowd", "in the rain",
    "on a mountain", "in a museum", "in a market", "in an office", "under a bridge",
    "at an airport", "by the sea", "in a studio", "on a roof", "in a park", "at a wedding",
    "in a stadium", "in a workshop", "in the desert", "in autumn leaves",
    "on a white background",
)  # fmt: skip


@dataclass(frozen=True)
class Caption:
    """A sentence, and the words that would be its tags."""

    text: str
    tags: tuple[str, ...]


MAX_CAPTIONS = len(_LOOKS) * len(_THINGS) * len(_PLACES)


def captions(count: int, seed: int) -> list[Caption]:
    """`count` different ones, at most MAX_CAPTIONS; the same seed gives the same."""
    every = list(product(_LOOKS, _THINGS, _PLACES))
    chosen = np.random.default_rng(seed).permutation(len(every))[:count]
    return [
        Caption(f"a {look} {thing} {place}", (look, thing, place.split()[-1]))
        for look, thing, place in (every[number] for number in chosen)
    ]
