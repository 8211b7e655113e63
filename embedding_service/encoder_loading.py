"""Encoders by name. A model library is imported only when its encoder is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from embedding_service.encoders.base import Encoder


class UnknownEncoder(ValueError):
    """There is no encoder of this name; the message is one line for whoever chose it."""


def _mini(threads: int) -> Encoder:
    from embedding_service.encoders.mini import MiniEncoder

    return MiniEncoder(threads=threads)


ENCODERS: Mapping[str, Callable[[int], Encoder]] = MappingProxyType({"mini": _mini})


def load_encoder(name: str, threads: int) -> Encoder:
    """The encoder of this name, warmed up; `threads` is what one run may use.

    Raises:
        UnknownEncoder: the message names those there are.
    """
    make = ENCODERS.get(name)
    if make is None:
        raise UnknownEncoder(f"VIEWFINDER_ENCODER={name!r}; allowed: {', '.join(ENCODERS)}")
    encoder = make(threads)
    encoder.warm_up()
    return encoder
