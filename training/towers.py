"""A trained pair of towers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from training.objects import ClassSpace
from training.picture_head import PictureHead
from training.text_tower import UNKNOWN, TextTower, pad, tokenise

ROWS = 256


@dataclass
class Towers:
    """Both networks and their common temperature; `tokens` are the rows of the text's table."""

    head: PictureHead
    text: TextTower
    scale: nn.Parameter
    tokens: list[int]

    def average_with(self, other: Towers, keep: float) -> None:
        """Exponential moving average: self becomes keep * self + (1 - keep) * other."""
        with torch.no_grad():
            for mine, new in ((self.head, other.head), (self.text, other.text)):
                for p, q in zip(mine.parameters(), new.parameters(), strict=True):
                    p.lerp_(q, 1 - keep)

    @torch.inference_mode()
    def embed_pictures(self, features: Tensor, space: ClassSpace) -> Tensor:
        """Features [n, z] to unit vectors [n, dim]."""
        rows = [part.float() for part in features.split(ROWS)]
        return torch.cat([self.head(part, space.logits(part)) for part in rows])

    @torch.inference_mode()
    def embed_texts(self, texts: list[str], tokenizer: Tokenizer) -> Tensor:
        """Texts to unit vectors [n, dim]; word pieces never trained count as unknown."""
        place = {token: row for row, token in enumerate(self.tokens)}
        ids = [
            [place.get(token, place[UNKNOWN]) for token in row]
            for row in tokenise(tokenizer, texts)
        ]
        vectors = [
            nn.functional.normalize(self.text(*pad(ids[start : start + ROWS])), dim=1)
            for start in range(0, len(ids), ROWS)
        ]
        return torch.cat(vectors)
