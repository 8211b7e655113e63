"""model.json: what a model of the store is, where it came from, and how well it was verified."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

import numpy as np

from embedding_service.encoders.base import EncoderSpec, FloatArray
from embedding_service.models.problems import BrokenModel
from viewfinder.pictures import PixelSpec

FORMAT = 1
FILE_NAME = "model.json"
TOKENIZER = "tokenizer.json"
WEIGHTS = "open_clip_model.safetensors"  # kept on request, for torch
WEIGHTS_CONFIG = "open_clip_config.json"
CELLS = "cells.onnx"  # of ViTs: what their patches show, made of the image tower's TOKENS
TOKENS = "tokens"

Precision = Literal["fp32", "int8"]
TextClean = Literal["lower", "whitespace", "canonicalize"]


def model_id(name: str, pretrained: str) -> str:
    """`ViT-B-32--laion2b_s34b_b79k`: a folder name, and what people type."""
    parts = (name, pretrained) if pretrained else (name,)
    return "--".join(re.sub(r"[^A-Za-z0-9_.]+", "-", part).strip("-.") for part in parts)


@dataclass(frozen=True)
class StoredFile:
    """A file of a model."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class TextInput:
    """How texts become ids.

    `causal`: the tower looks back only, so ids behind the end-of-text token change nothing and
    the row may end there. `strip_id` is replaced by 0 (CLIPA drops its separator so).
    """

    context_length: int
    causal: bool
    pad_id: int
    eot_id: int | None
    clean: TextClean = "lower"
    strip_id: int | None = None
    pad_left: bool = False


@dataclass(frozen=True)
class Agreement:
    """The smallest cosines between a precision's vectors and open_clip's own."""

    text_cosine_min: float
    image_cosine_min: float

    def reaches(self, limit: float) -> bool:
        """Whether both towers do; NaN does not."""
        return self.text_cosine_min >= limit and self.image_cosine_min >= limit

    def __str__(self) -> str:
        return f"text {self.text_cosine_min:.5f}, pictures {self.image_cosine_min:.5f}"


@dataclass(frozen=True)
class Verification:
    """What `export` and `verify` found."""

    by_precision: dict[str, Agreement]
    n_texts: int
    n_pictures: int
    against: str  # "open_clip 3.3.0"

    def as_json(self) -> dict[str, Any]:
        """Flat, as the contract of the store says."""
        rest = {"n_texts": self.n_texts, "n_pictures": self.n_pictures, "against": self.against}
        return {**{name: asdict(found) for name, found in self.by_precision.items()}, **rest}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Verification:
        """The reverse of `as_json`."""
        found = {name: Agreement(**v) for name, v in data.items() if isinstance(v, dict)}
        return Verification(found, data["n_texts"], data["n_pictures"], data["against"])


@dataclass(frozen=True)
class Probe:
    """A text and the vector open_clip gave it: whoever loads the model can check his machine.

    A processor without VNNI saturates int8 products that were fine where the model was verified.
    """

    text: str
    vector: str  # float32, little endian, base64

    @staticmethod
    def of(text: str, vector: FloatArray) -> Probe:
        """Of a vector [dim], or the rows of a matrix."""
        return Probe(text, base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii"))

    def matrix(self, dim: int) -> FloatArray:
        """float32 [n, dim], as it was made."""
        return np.frombuffer(base64.b64decode(self.vector), "<f4").reshape(-1, dim)

    def cosine(self, vector: FloatArray) -> float:
        """With a unit vector [dim] that was made here."""
        return float(np.frombuffer(base64.b64decode(self.vector), "<f4") @ vector)


@dataclass(frozen=True)
class Manifest:
    """All that is known of a model; `revision` is of its weights and preprocessing."""

    id: str
    name: str
    pretrained: str
    revision: str
    dim: int
    pixels: PixelSpec
    mean: tuple[float, ...]
    std: tuple[float, ...]
    text: TextInput
    verified: Verification
    probes: tuple[Probe, ...] = ()
    source: dict[str, str] = field(default_factory=dict)
    made_with: dict[str, str] = field(default_factory=dict)
    files: dict[str, StoredFile] = field(default_factory=dict)

    def precisions(self) -> list[str]:
        """Those that may serve."""
        return list(self.verified.by_precision)

    def spec(self, precision: str) -> EncoderSpec:
        """Vectors of two precisions are near, not equal, so each has a revision of its own."""
        revision = hashlib.sha256(f"{self.revision}:{precision}".encode()).hexdigest()[:12]
        return EncoderSpec(self.id, revision, "dense", self.dim, self.pixels)

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(file.size_bytes for file in self.files.values())

    def to_json(self) -> str:
        """The text of model.json."""
        data = {**asdict(self), "format": FORMAT, "kind": "dense", **asdict(self.text)}
        data["verified"] = self.verified.as_json()
        del data["text"]
        return json.dumps(data, indent=1, ensure_ascii=False) + "\n"

    @staticmethod
    def from_json(text: str, where: str) -> Manifest:
        """Raises BrokenModel when this is no model.json that this version reads."""
        try:
            data = json.loads(text)
            if data["format"] != FORMAT:
                raise BrokenModel(
                    f"{where} has format {data['format']}; this Viewfinder reads {FORMAT}:"
                    " export the model again"
                )
            known = {f.name for f in fields(Manifest)}
            rest = {key: value for key, value in data.items() if key in known}
            return Manifest(
                **{
                    **rest,
                    "pixels": PixelSpec(**data["pixels"]),
                    "mean": tuple(data["mean"]),
                    "std": tuple(data["std"]),
                    "text": TextInput(**{f.name: data[f.name] for f in fields(TextInput)}),
                    "verified": Verification.from_json(data["verified"]),
                    "probes": tuple(Probe(**probe) for probe in data["probes"]),
                    "files": {name: StoredFile(**file) for name, file in data["files"].items()},
                }
            )
        except (ValueError, KeyError, TypeError) as error:
            raise BrokenModel(f"{where} is damaged ({error}): export the model again") from error
