"""Whether a stored model computes on this machine what it did where it was made."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from embedding_service.encoders.clip_text import ClipTokenizer
from embedding_service.encoders.onnx_clip import OnnxClipEncoder
from embedding_service.models.manifest import TOKENIZER, WEIGHTS, Agreement, Manifest
from embedding_service.models.verify import (
    FP32_LIMIT,
    INT8_LIMIT,
    Reference,
    agreement,
    sample_pictures,
    texts,
)

_THREADS = 1


@dataclass(frozen=True)
class Rechecked:
    """One comparison."""

    precision: str
    against: str
    found: Agreement
    limit: float

    @property
    def passed(self) -> bool:
        """Whether the model may be trusted here."""
        return self.found.reaches(self.limit)


def recheck(folder: Path, manifest: Manifest, pictures: Path | None) -> list[Rechecked]:
    """Compare with open_clip where the weights were kept and torch is here, else with fp32."""
    pixels = sample_pictures(manifest.pixels, pictures)
    fp32 = OnnxClipEncoder(folder, manifest, "fp32", _THREADS)
    against, reference = "fp32", None
    if WEIGHTS in manifest.files and importlib.util.find_spec("open_clip") is not None:
        import torch

        from embedding_service.models import openclip, towers

        tokenize = ClipTokenizer(folder / TOKENIZER, manifest.text)

        wanted = openclip.Architecture(manifest.name, manifest.pretrained)
        loaded = openclip.load(wanted, folder)
        preprocessing = towers.preprocessing_of(loaded.model)
        reference = Reference.of(
            loaded.model,
            # Its ids were compared with open_clip's when the model was made.
            lambda rows: torch.from_numpy(tokenize(rows, whole=True)),
            manifest.text.context_length,
            preprocessing,
            pixels,
        )
        against = openclip.version()
    if reference is None:
        wanted_texts = texts(manifest.text.context_length)
        reference = Reference(
            wanted_texts, pixels, fp32.embed_texts(wanted_texts), fp32.embed_images(pixels)
        )
    lines = [Rechecked("fp32", against, agreement(fp32, reference), FP32_LIMIT)]
    for precision in manifest.precisions():
        if precision != "fp32":
            encoder = OnnxClipEncoder(folder, manifest, precision, _THREADS)
            lines.append(Rechecked(precision, against, agreement(encoder, reference), INT8_LIMIT))
    return lines
