"""Plain open_clip, as its README uses it, on the CPU: what `bench encode --against` compares with.

`python -m bench.encode_open_clip NAME WEIGHTS` loads a model, embeds a text and prints its memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from bench.encoders import EncoderChoice, EncoderProblem
from bench.figures import Figures
from embedding_service.encoders.base import Encoder, FloatArray, PixelArray
from embedding_service.models import openclip
from embedding_service.models.manifest import WEIGHTS, Manifest
from embedding_service.models.openclip import Architecture
from embedding_service.models.problems import ModelProblem
from embedding_service.models.store import ModelStore

_SAME = 0.99  # cosine; other weights are near 0, int8 is above .995
_TEXTS = ("a photo of a cat", "two dogs in the snow", "red")


class OpenClip:
    """One model, float32, one thread unless told otherwise."""

    def __init__(self, architecture: Architecture, weights: Path, threads: int = 1) -> None:
        """Raises ModelProblem when it is not installed, or the weights are not of the model."""
        package = openclip.open_clip()
        import torch

        torch.set_num_threads(threads)
        loaded = openclip.load(architecture, weights)
        self._torch = torch
        self._model = loaded.model
        self._tokenize = openclip.load_tokenizer(architecture.name, loaded, weights)
        config = package.transform.PreprocessCfg(**loaded.model.visual.preprocess_cfg)
        self._preprocess = package.transform.image_transform_v2(config, is_train=False)
        self._mean, self._std = (
            torch.tensor(values).reshape(1, 3, 1, 1) for values in (config.mean, config.std)
        )

    def embed_texts(self, texts: Sequence[str]) -> FloatArray:
        """float32 [n, dim]."""
        with self._torch.inference_mode():
            return self._rows(self._model.encode_text(self._tokenize(list(texts)), normalize=True))

    def embed_images(self, pixels: PixelArray) -> FloatArray:
        """float32 [n, dim] of uint8 [n, size, size, 3]."""
        with self._torch.inference_mode():
            batch = self._torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
            batch = (batch - self._mean) / self._std
            return self._rows(self._model.encode_image(batch, normalize=True))

    def embed_file(self, path: Path) -> FloatArray:
        """float32 [1, dim] of a picture, decoded and prepared by open_clip's own transform."""
        with Image.open(path) as picture, self._torch.inference_mode():
            batch = self._preprocess(picture).unsqueeze(0)
            return self._rows(self._model.encode_image(batch, normalize=True))

    @staticmethod
    def _rows(vectors: Any) -> FloatArray:
        rows: FloatArray = vectors.float().numpy()
        return rows


def same_weights(
    choice: EncoderChoice, encoder: Encoder, checkpoint: Path | None
) -> tuple[OpenClip, Manifest, Path]:
    """open_clip with the weights of a model of the store: those it kept, or the checkpoint's.

    Raises:
        EncoderProblem: it is no OpenCLIP model, its weights are not at hand, or are others.
    """
    try:
        manifest = ModelStore(choice.settings.models_dir).get(choice.name)
        weights = checkpoint or ModelStore(choice.settings.models_dir).path_of(choice.name)
        if checkpoint is None and WEIGHTS not in manifest.files:
            raise EncoderProblem(
                f"{choice.name} was stored without its weights; name them: --checkpoint FILE"
            )
        architecture = Architecture(manifest.name, manifest.pretrained)
        model = OpenClip(architecture, weights, choice.settings.encoder_threads)
    except ModelProblem as problem:
        raise EncoderProblem(f"--against open_clip: {problem}") from problem
    products = np.sum(encoder.embed_texts(_TEXTS) * model.embed_texts(_TEXTS), 1)
    if not products.min() >= _SAME:
        raise EncoderProblem(
            f"{weights} are not the weights of {choice.name}: cosine {products.min():.3f}"
        )
    return model, manifest, weights


def measure_start(manifest: Manifest, weights: Path) -> Figures:
    """Start-up until a first text is embedded, and memory, in a process of its own."""
    arguments = (manifest.name, manifest.pretrained, str(weights.absolute()))
    began = time.perf_counter()
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "bench.encode_open_clip", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    took_s = time.perf_counter() - began
    if ran.returncode != 0:
        raise EncoderProblem(f"open_clip does not start: {ran.stderr.strip()[-300:]}")
    told: dict[str, float] = json.loads(ran.stdout.strip().splitlines()[-1])
    return {
        "open_clip_start_s": round(took_s, 3),
        "open_clip_memory_mb": round(told["rss_mb"], 1),
    }


def main() -> None:
    """See the module."""
    name, pretrained, weights = sys.argv[1:]
    model = OpenClip(Architecture(name, pretrained), Path(weights))
    model.embed_texts(["a photo of a cat"])
    size = model._model.visual.image_size
    side = size[0] if isinstance(size, tuple | list) else size
    model.embed_images(np.zeros((8, side, side, 3), np.uint8))
    print(json.dumps({"rss_mb": psutil.Process().memory_info().rss / 1e6}))


if __name__ == "__main__":
    main()
