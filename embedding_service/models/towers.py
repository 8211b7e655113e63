"""A model of open_clip as two towers with everything inside that ONNX can hold. Needs torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from embedding_service.models.lean import LeanAttention, lean
from embedding_service.models.problems import ExportRefused
from viewfinder.pictures import PixelSpec


@dataclass(frozen=True)
class Preprocessing:
    """How the model wants pictures, from its own configuration."""

    pixels: PixelSpec
    mean: tuple[float, ...]
    std: tuple[float, ...]


class CausalTextTower(nn.Module):
    """ids int64 [n, length] -> float32 [n, dim]; any length that holds the end-of-text token.

    `is_masked`: give the causal mask to the attention; a lean one (lean.py) has its own.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.is_masked = True
        text = _text_of(model)
        self.embedding = text.token_embedding
        self.transformer = text.transformer
        self.final = text.ln_final
        self.positions = text.positional_embedding
        self.projection = text.text_projection
        self.pool: str = _pool_of(text)
        self.eos: int | None = getattr(text, "text_eos_id", getattr(text, "eos_id", None))
        self.register_buffer("mask", text.attn_mask, persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """See the class."""
        from open_clip.transformer import text_global_pool

        length = ids.shape[1]
        x = self.embedding(ids) + self.positions[:length]
        mask = self.mask[:length, :length] if self.is_masked else None
        x = self.transformer(x, attn_mask=mask)
        x = text_global_pool(self.final(x), ids, self.pool, eos_token_id=self.eos)
        if isinstance(self.projection, nn.Linear):
            x = self.projection(x)
        elif self.projection is not None:
            x = x @ self.projection
        return functional.normalize(x, dim=-1)


class FullTextTower(nn.Module):
    """ids int64 [n, context_length] -> float32 [n, dim], as the model itself does it."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor) -> Tensor:
        """See the class."""
        return functional.normalize(self.model.encode_text(ids), dim=-1)


class ImageTower(nn.Module):
    """pixels uint8 [n, size, size, 3] -> float32 [n, dim]."""

    def __init__(self, model: Any, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.model = model
        mean, std = (
            torch.tensor(v).reshape(1, 3, 1, 1) for v in (preprocessing.mean, preprocessing.std)
        )
        self.register_buffer("scale", 1 / (255 * std), persistent=False)
        self.register_buffer("offset", -mean / std, persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """See the class."""
        x = pixels.permute(0, 3, 1, 2).to(self.scale.dtype) * self.scale + self.offset
        return functional.normalize(self.model.encode_image(x), dim=-1)


def exported_text_tower(model: Any) -> nn.Module:
    """For ONNX Runtime; torch cannot run it."""
    tower = text_tower(model)
    copied = lean(tower, causal=isinstance(tower, CausalTextTower))
    if isinstance(copied, CausalTextTower):
        copied.is_masked = not _is_lean(copied)
    return copied


def exported_image_tower(model: Any, preprocessing: Preprocessing) -> nn.Module:
    """For ONNX Runtime; torch cannot run it."""
    return lean(image_tower(model, preprocessing), causal=False)


def _is_lean(tower: CausalTextTower) -> bool:
    attentions = [block.attn for block in tower.transformer.resblocks]
    return all(isinstance(attention, LeanAttention) for attention in attentions)


def is_causal(model: Any) -> bool:
    """Whether ids behind the end-of-text token cannot change the vector: the tower looks back only
    and its vector is that token's."""
    text = _text_of(model)
    mask = getattr(text, "attn_mask", None)
    return (
        mask is not None
        and torch.equal(mask, torch.full_like(mask, float("-inf")).triu(1))
        and getattr(text, "cls_emb", None) is None
        and not getattr(text, "use_pad_mask", False)
        and _pool_of(text) in ("argmax", "eos")
    )


def text_tower(model: Any) -> nn.Module:
    """The one that may be cut where the model allows it."""
    return (CausalTextTower if is_causal(model) else FullTextTower)(model).eval()


def image_tower(model: Any, preprocessing: Preprocessing) -> nn.Module:
    """With MobileCLIP's branches merged into one convolution each, which is exact."""
    if any(hasattr(module, "reparameterize") for module in model.visual.modules()):
        from timm.utils import reparameterize_model

        visual = reparameterize_model(model.visual)
        model = _with_visual(model, visual)
    return ImageTower(model, preprocessing).eval()


def visual_of(tower: Any) -> Any:
    """The part of an image tower that reads pictures."""
    return tower.model.visual


def preprocessing_of(model: Any) -> Preprocessing:
    """Raises ExportRefused for what no picture here is prepared for."""
    config: dict[str, Any] = model.visual.preprocess_cfg
    size = config["size"]
    sides = set(size) if isinstance(size, tuple | list) else {size}
    if len(sides) != 1:
        raise ExportRefused(f"it wants pictures of {size}; only squares are supported")
    mode = config["resize_mode"]
    pixels = PixelSpec.checked(
        int(sides.pop()),
        mode,
        "bilinear" if config["interpolation"] == "bilinear" else "bicubic",
        int(config.get("fill_color") or 0) if mode == "longest" else 0,
    )
    mean, std = (_three(config[key]) for key in ("mean", "std"))
    return Preprocessing(pixels, mean, std)


def dim_of(model: Any, preprocessing: Preprocessing) -> int:
    """How long its vectors are."""
    size = preprocessing.pixels.size
    with torch.inference_mode():
        return int(model.encode_image(torch.zeros(1, 3, size, size)).shape[-1])


def _text_of(model: Any) -> Any:
    return getattr(model, "text", model)


def _pool_of(text: Any) -> str:
    pool: str = getattr(text, "text_pool_type", None) or getattr(text, "pool_type", None) or ""
    return pool


def _three(values: Any) -> tuple[float, ...]:
    return tuple(values) if isinstance(values, tuple | list) else (float(values),) * 3


def _with_visual(model: Any, visual: nn.Module) -> Any:
    """The model with another image tower; weights are shared, the given one stays as it is."""
    copied = object.__new__(type(model))
    copied.__dict__ = dict(model.__dict__)
    copied._modules = {**model._modules, "visual": visual}
    return copied
