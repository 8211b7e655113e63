"""The trained part of the picture network: backbone features to the joint space."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PictureHead(nn.Module):
    """Features [n, z] and class evidence [n, 1000] to unit vectors [n, scene + object].

    The scene part is learnt from captions. The object part says which classes the picture
    shows: a mix of class codes, weighted by a learnt power of their probabilities. Both have fixed
    lengths, so the text's own lengths of the two parts decide which of them counts.
    """

    def __init__(
        self, mean: Tensor, std: Tensor, codes: Tensor, scene: int, hidden: int, dropout: float
    ) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        width = len(mean)
        self.dropout = nn.Dropout(dropout)
        self.skip = nn.Linear(width, scene)
        self.hidden = nn.Linear(width, hidden)
        self.out = nn.Linear(hidden, scene)
        self.codes = nn.Parameter(codes.clone())  # [1000, object]
        self.sharpness = nn.Parameter(torch.tensor(0.5))
        self.balance = nn.Parameter(torch.tensor(0.0))

    def forward(self, features: Tensor, logits: Tensor) -> Tensor:
        """See the class."""
        x = self.dropout((features - self.mean) / self.std)
        scene = self.skip(x) + self.out(self.dropout(nn.functional.gelu(self.hidden(x))))
        scene = nn.functional.normalize(scene, dim=1)
        weights = torch.softmax(self.sharpness * logits, 1)
        objects = nn.functional.normalize(weights @ self.codes, dim=1)
        share = torch.sigmoid(self.balance)
        return torch.cat([scene * torch.sqrt(1 - share), objects * torch.sqrt(share)], 1)
