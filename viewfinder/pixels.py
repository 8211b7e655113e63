"""The one place where bytes from outside are decoded, in a process that may die."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class PixelSpec:
    """How an encoder wants its pixels: RGB uint8 [size, size, 3]."""

    size: int
    resize_mode: Literal["shortest", "squash"] = "shortest"
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
