"""Which encoder an index belongs to: vectors of two encoders cannot be compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from search_service.durable_file import write_atomically
from search_service.vector_index import IndexUnusable
from viewfinder.errors import EncoderMismatch, InvalidRequest
from viewfinder.pixels import PixelSpec

MULTI = "multivector"
"""The kind of an encoder that makes a matrix of every page."""


@dataclass(frozen=True)
class EncoderSpec:
    """The vector space of an encoder; two vectors compare only when their specs are equal."""

    name: str
    revision: str
    kind: str
    dim: int
    pixels: PixelSpec

    def __str__(self) -> str:
        return f"{self.name}@{self.revision} ({self.kind}, {self.dim} numbers)"

    @property
    def is_multi(self) -> bool:
        """Whether it makes a matrix of every page, see late.py."""
        return self.kind == MULTI

    def as_json(self) -> dict[str, Any]:
        """The spec as it is stored; also what collections' names are made of, so never changed."""
        return {**asdict(self), "pixels": self.pixels.as_json()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> EncoderSpec:
        """The spec that was stored. Raises KeyError, TypeError or ValueError for anything else."""
        return cls(**{**stored, "pixels": PixelSpec(**stored["pixels"])})


class Binding(Protocol):
    """The spec that an index holds, wherever that is written down."""

    @property
    def spec(self) -> EncoderSpec | None:
        """The spec, or None as long as the index has met no encoder."""

    def bind(self, spec: EncoderSpec) -> None:
        """From now on the index holds vectors of this encoder."""

    def check(self, offered: EncoderSpec) -> None:
        """Raise EncoderMismatch, naming both, when the index belongs to another encoder."""


def check_encoder(bound: EncoderSpec | None, offered: EncoderSpec) -> None:
    """Raise EncoderMismatch, naming both, when the index belongs to another encoder."""
    if bound is not None and bound != offered:
        raise EncoderMismatch(index_encoder=str(bound), offered_encoder=str(offered))


def check_can_answer(spec: EncoderSpec) -> None:
    """Raise InvalidRequest for an encoder that nothing but pages can be searched with."""
    if spec.is_multi:
        raise InvalidRequest("spec.kind", spec.kind, "dense: pages answer beside another encoder")


class EncoderBinding:
    """The spec that an index holds, in a small file beside it.

    Raises:
        IndexUnusable: the file is there and cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._spec = _read(path)

    @property
    def spec(self) -> EncoderSpec | None:
        """The spec, or None as long as the index has met no encoder."""
        return self._spec

    def bind(self, spec: EncoderSpec) -> None:
        """From now on the index holds vectors of this encoder.

        Raises:
            StorageFull: the file cannot be written.
        """
        write_atomically(self._path, json.dumps(spec.as_json(), indent=1).encode())
        self._spec = spec

    def check(self, offered: EncoderSpec) -> None:
        """Raise EncoderMismatch, naming both, when the index belongs to another encoder."""
        check_encoder(self._spec, offered)


def _read(path: Path) -> EncoderSpec | None:
    try:
        return EncoderSpec.from_json(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IndexUnusable(f"{path} cannot be read ({error})") from error
