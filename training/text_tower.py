"""The text network: static word-piece vectors, two convolutions, three ways of pooling."""

from __future__ import annotations

import random
from collections.abc import Sequence as Rows

import numpy as np
import torch
from safetensors.numpy import load_file
from tokenizers import Regex, Tokenizer
from tokenizers.normalizers import NFKC, Lowercase, Prepend, Replace, Sequence, Strip
from torch import Tensor, nn

from training.packages import package_folder

MAX_TOKENS = 48
UNKNOWN = 0
WIDTH = 256


def load_tokenizer() -> Tokenizer:
    """wordllama's tokenizer, 32,000 word pieces, made to fold case, width and white space.

    Cleaning lives in the tokenizer, so that training and the product cannot differ.
    """
    path = package_folder("wordllama") / "tokenizers" / "l2_supercat_tokenizer_config.json"
    tokenizer: Tokenizer = Tokenizer.from_file(str(path))
    fold = [NFKC(), Lowercase(), Replace(Regex(r"\s+"), " "), Strip()]
    tokenizer.normalizer = Sequence([*fold, Prepend("▁"), Replace(" ", "▁")])
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def load_embeddings() -> Tensor:
    """wordllama's static vectors (MIT), [32000, 256], scaled to unit variance."""
    weights = package_folder("wordllama") / "weights" / "l2_supercat_256.safetensors"
    table = torch.from_numpy(load_file(str(weights))["embedding.weight"].astype(np.float32))
    return table / table.std()


def tokenise(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    """Token ids of each text, cut at MAX_TOKENS; a text of nothing is one unknown token."""
    batch = tokenizer.encode_batch(texts, add_special_tokens=False)
    return [encoding.ids or [UNKNOWN] for encoding in batch]


def drop_words(rows: Rows[Rows[int]], chance: float, rng: random.Random) -> list[list[int]]:
    """Leave out each token with this chance, but never all of a row."""
    return [[token for token in row if rng.random() >= chance] or list(row) for row in rows]


def pad(kept: Rows[Rows[int]]) -> tuple[Tensor, Tensor]:
    """ids [n, longest] and mask [n, longest]."""
    longest = max(map(len, kept))
    ids = torch.zeros(len(kept), longest, dtype=torch.long)
    mask = torch.zeros(len(kept), longest)
    for i, row in enumerate(kept):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
    return ids, mask


class Convolution(nn.Module):
    """Width 3, residual, over words [n, t, 256]; as a matrix product over the real words only.

    (torch's own backward of Conv1d took ten times as long on one core.)
    """

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3 * WIDTH, WIDTH)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x [n, t, 256] and mask [n, t], x zero where the mask is."""
        before = nn.functional.pad(x[:, :-1], (0, 0, 1, 0))
        after = nn.functional.pad(x[:, 1:], (0, 0, 0, 1))
        near = torch.cat([before, x, after], 2)
        if self.training:
            keep = mask.bool()
            added = torch.zeros_like(x)
            added[keep] = nn.functional.gelu(self.linear(near[keep]))
            return x + added
        return x + nn.functional.gelu(self.linear(near)) * mask[:, :, None]


class TextTower(nn.Module):
    """Token ids [n, t] and mask [n, t] to vectors [n, dim], not yet normalised."""

    def __init__(self, embeddings: Tensor, dim: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding.from_pretrained(embeddings.clone(), freeze=False)
        self.convolutions = nn.ModuleList(Convolution() for _ in range(2))
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(3 * WIDTH, dim)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """See the class."""
        return self.read(self.embedding(ids), mask)

    def read(self, words: Tensor, mask: Tensor) -> Tensor:
        """The same from word vectors [n, t, 256]."""
        keep = mask[:, :, None]
        words = words * keep
        x = self.dropout(words)
        for convolution in self.convolutions:
            x = convolution(x, mask)
        count = keep.sum(1)
        highest = (x - 1e4 * (1 - keep)).amax(1)
        pooled = torch.cat([highest, x.sum(1) / count, words.sum(1) / count], 1)
        return self.out(self.dropout(pooled))
