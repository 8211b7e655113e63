"""Towers as ONNX Runtime likes them: the same numbers from a third of the nodes. Needs torch.

An attention of torch becomes some thirty nodes, most of them reshapes; at nine tokens they cost a
third of the run. ONNX Runtime has one operator for it. A convolution that only cuts the picture
into patches becomes a matrix product, which can be quantised. Modules that are not recognised stay
as they are, and whatever comes out is verified against open_clip.
"""

from __future__ import annotations

from copy import deepcopy
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def lean(tower: nn.Module, *, causal: bool) -> nn.Module:
    """A copy of the tower for export only, which shares its weights.

    `causal`: attention without a mask means that of a causal tower.
    """
    shared = {id(t): t for t in chain(tower.parameters(), tower.buffers())}
    copied = deepcopy(tower, shared)
    for module in list(copied.modules()):
        for name, child in list(module.named_children()):
            replacement = _replacement(child, causal=causal)
            if replacement is not None:
                setattr(module, name, replacement)
    return copied


def _replacement(module: nn.Module, *, causal: bool) -> nn.Module | None:
    kind = type(module)
    if kind is nn.MultiheadAttention and _is_plain(module):
        return LeanAttention(module, causal=causal)
    if (
        kind.__name__ == "Attention"
        and kind.__module__.startswith("timm.")
        and _is_plain_timm(module)
    ):
        return LeanTimmAttention(module)
    if kind is nn.Conv2d and _is_patches(module):
        return Patches(module)
    return None


class LeanAttention(nn.Module):
    """nn.MultiheadAttention of one sequence with itself, called as open_clip's blocks call it."""

    def __init__(self, attention: Any, *, causal: bool) -> None:
        super().__init__()
        self.attention = attention
        self.causal = causal

    def forward(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        need_weights: bool = False,
        attn_mask: Tensor | None = None,
    ) -> tuple[Tensor, None]:
        """[n, length, width] -> the same."""
        of = self.attention
        if attn_mask is not None or k is not q or v is not q:
            out: Tensor = of(q, k, v, need_weights=need_weights, attn_mask=attn_mask)[0]
            return out, None
        parts = functional.linear(q, of.in_proj_weight, of.in_proj_bias).chunk(3, dim=-1)
        return of.out_proj(_attend(parts, of.num_heads, causal=self.causal)), None


class LeanTimmAttention(nn.Module):
    """timm's Attention without norms of queries and keys."""

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.attention = attention

    def forward(self, x: Tensor, **options: Any) -> Tensor:
        """[n, length, width] -> the same."""
        of = self.attention
        if any(option is not None and option is not False for option in options.values()):
            out: Tensor = of(x, **options)
            return out
        attended = _attend(of.qkv(x).chunk(3, dim=-1), of.num_heads, causal=False)
        projected: Tensor = of.proj(of.norm(attended))
        return projected


class Patches(nn.Module):
    """A convolution whose stride is its kernel, as one matrix product."""

    def __init__(self, convolution: Any) -> None:
        super().__init__()
        self.side: int = convolution.kernel_size[0]
        width = len(convolution.weight)
        weight = convolution.weight.detach().reshape(width, -1)
        self.product = nn.Linear(weight.shape[1], width, bias=convolution.bias is not None)
        self.product.weight = nn.Parameter(weight, requires_grad=False)
        self.product.bias = convolution.bias

    def forward(self, x: Tensor) -> Tensor:
        """[n, channels, size, size] -> [n, width, size / side, size / side]."""
        n, channels, size, _ = x.shape
        grid = size // self.side
        x = x[:, :, : grid * self.side, : grid * self.side]
        x = x.reshape(n, channels, grid, self.side, grid, self.side).permute(0, 2, 4, 1, 3, 5)
        x = x.reshape(n, grid * grid, channels * self.side**2)
        return self.product(x).transpose(1, 2).reshape(n, -1, grid, grid)


def _attend(parts: Any, heads: int, *, causal: bool) -> Tensor:
    """ONNX Runtime's own operator, for which torch has no code: exported, never run."""
    q, k, v = parts
    attended: Tensor = torch.onnx.ops.symbolic(
        "com.microsoft::MultiHeadAttention",
        (q, k, v),
        {"num_heads": heads, "unidirectional": int(causal)},
        dtype=q.dtype,
        shape=q.shape,
        version=1,
    )
    return attended


def _is_plain(module: Any) -> bool:
    return bool(
        module.batch_first
        and module._qkv_same_embed_dim
        and module.bias_k is None
        and not module.add_zero_attn
    )


def _is_plain_timm(module: Any) -> bool:
    return (
        all(
            hasattr(module, name)
            for name in ("qkv", "q_norm", "k_norm", "norm", "proj", "num_heads")
        )
        and isinstance(module.q_norm, nn.Identity)
        and isinstance(module.k_norm, nn.Identity)
        and getattr(module, "scale", None) == module.head_dim**-0.5
        and module.qkv.out_features == 3 * module.num_heads * module.head_dim
    )


def _is_patches(module: Any) -> bool:
    return bool(
        module.kernel_size == module.stride
        and module.kernel_size[0] == module.kernel_size[1] > 1
        and module.padding == (0, 0)
        and module.dilation == (1, 1)
        and module.groups == 1
    )
