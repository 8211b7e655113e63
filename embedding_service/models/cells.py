"""What an OpenCLIP ViT sees in each patch of a picture. Needs torch.

The last block of a CLIP ViT gathers what the picture shows into one token, and its patches' own
outputs are spoiled by it. As ClearCLIP has it (Lan et al. 2024, arXiv:2407.12442), this block is
run without its residual and its MLP, and with the attention of queries among themselves, so that a
patch keeps to what looks like it; what comes out is in the space of the texts. No training.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class CellsHead(nn.Module):
    """Tokens before the last block, float32 [n, 1 + rows * columns, width], to the unit vectors of
    the patches [n, rows, columns, dim]."""

    def __init__(self, visual: Any) -> None:
        super().__init__()
        block = visual.transformer.resblocks[-1]
        self.norm = block.ln_1
        self.attention = block.attn
        self.rows, self.columns = visual.grid_size
        self.final = visual.ln_post
        self.projection = visual.proj

    def forward(self, tokens: Tensor) -> Tensor:
        """See the class."""
        of = self.attention
        x = self.norm(tokens)
        q, _, v = functional.linear(x, of.in_proj_weight, of.in_proj_bias).chunk(3, dim=-1)
        n, length, width = q.shape
        q, v = (
            part.reshape(n, length, of.num_heads, width // of.num_heads).transpose(1, 2)
            for part in (q, v)
        )
        scores = q @ q.transpose(-1, -2) * (width // of.num_heads) ** -0.5
        attended = (torch.softmax(scores, dim=-1) @ v).transpose(1, 2).reshape(n, length, width)
        patches = self.project(of.out_proj(attended))[:, 1:]
        unit = functional.normalize(patches, dim=-1)
        return unit.reshape(n, self.rows, self.columns, -1)

    def project(self, tokens: Tensor) -> Tensor:
        """Tokens as the last block gives them, into the space of the vectors."""
        normed = self.final(tokens)
        projected: Tensor = normed if self.projection is None else normed @ self.projection
        return projected


class TokensTower(nn.Module):
    """pixels uint8 [n, size, size, 3] -> (the tower's vectors, tokens before its last block)."""

    def __init__(self, tower: nn.Module, visual: Any) -> None:
        super().__init__()
        self.tower = tower
        self.visual = visual

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        caught: list[Tensor] = []
        last = self.visual.transformer.resblocks[-1]
        hook = last.register_forward_pre_hook(lambda _, given: caught.append(given[0]))
        try:
            vectors: Tensor = self.tower(pixels)
        finally:
            hook.remove()
        return vectors, caught.pop()


class CellsTower(nn.Module):
    """pixels uint8 [n, size, size, 3] -> unit vectors of the patches [n, rows, columns, dim]."""

    def __init__(self, tokens: TokensTower, head: CellsHead) -> None:
        super().__init__()
        self.tokens = tokens
        self.head = head

    def forward(self, pixels: Tensor) -> Tensor:
        """See the class."""
        cells: Tensor = self.head(self.tokens(pixels)[1])
        return cells


def cells_head(model: Any) -> CellsHead | None:
    """What makes cells of this model's tokens; None where it is no ViT of open_clip's own kind."""
    visual = model.visual
    blocks = getattr(getattr(visual, "transformer", None), "resblocks", None)
    if (
        blocks is None
        or not all(hasattr(visual, name) for name in ("ln_post", "proj", "grid_size"))
        or getattr(visual, "attn_pool", None) is not None
        or getattr(visual, "class_embedding", None) is None
        or not getattr(visual.transformer, "batch_first", False)
        or type(blocks[-1].attn) is not nn.MultiheadAttention
        or not blocks[-1].attn._qkv_same_embed_dim
        or blocks[-1].attn.bias_k is not None
    ):
        return None
    head = CellsHead(visual)
    head.eval()
    return head
