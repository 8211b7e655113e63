"""Different texts of a known number of tokens."""

from __future__ import annotations

import numpy as np

LENGTHS = (5, 9, 16, 32, 77)
_START_AND_END = 2
# Each is one token of OpenCLIP's vocabulary and one word piece of mini's, and short: 75 of them
# stay below the 512 characters that embedding_service takes.
_WORDS = [
    "cat", "dog", "sun", "sea", "sky", "man", "boy", "girl", "bird",
    "tree", "car", "bus", "red", "blue", "green", "black", "white", "old",
    "new", "big", "little", "hot", "cold", "two", "ten", "snow", "rain",
    "road", "park", "ball", "game", "beach", "house", "door", "wall", "fire",
    "water", "rock", "hill", "lake", "boat", "train", "star", "horse", "cow",
    "fish", "baby", "hat", "paper", "coat",
]  # fmt: skip


class TextMaker:
    """Never the same text twice, so that nothing that was remembered answers."""

    def __init__(self, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)
        self._made: set[str] = set()

    def text(self, tokens: int) -> str:
        """A text of `tokens` tokens, as OpenCLIP counts: with those of its start and its end."""
        while True:
            words = self._random.choice(_WORDS, tokens - _START_AND_END)
            text = " ".join(words)
            if text not in self._made:
                self._made.add(text)
                return text
