"""A picture as a model gets it, and what it says about one."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field

Fact = str | int | float | tuple[str, ...]


@dataclass(frozen=True)
class ShownPicture:
    """`jpeg` has the size that suits the model. `facts` are data from outside, such as file name,
    tags and text read; they are cut and cleaned before a model sees them."""

    jpeg: bytes = field(repr=False)
    facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True)
class Turn:
    """What was said before in a conversation."""

    is_question: bool
    text: str


@dataclass(frozen=True)
class Ranked:
    """`index` into the pictures that were ranked; why it stands where it stands."""

    index: int
    reason: str


@dataclass(frozen=True)
class Description:
    """What a picture shows, in words that can be searched."""

    caption: str
    objects: tuple[str, ...]
    text: str
    colours: tuple[str, ...]
    setting: str


def plain_picture(side: int) -> ShownPicture:
    """Grey, and as large as pictures are sent: no server has a reason to refuse it."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (128, 128, 128)).save(buffer, "JPEG")
    return ShownPicture(buffer.getvalue())
