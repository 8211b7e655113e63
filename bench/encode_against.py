"""The same weights in plain open_clip, measured in turns with the service: noise hits both."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from bench.embedding_process import EmbeddingProcess
from bench.encode import camera_jpeg, embed_request, text_of
from bench.figures import Figures
from embedding_service.models.manifest import WEIGHTS
from embedding_service.models.problems import ModelProblem
from embedding_service.models.store import ModelStore
from embedding_service.settings import EmbeddingSettings
from viewfinder.pictures import PixelSpec
from viewfinder.pixels import PixelPool
from viewfinder.settings import load_settings
from viewfinder.v1 import embedding_pb2

_PAIRS = 15
_TOKENS = 9


def measure_against(
    against: str, model: str, service: EmbeddingProcess, spec: PixelSpec
) -> Figures:
    """How many times faster the service is than eager open_clip on one thread, batch 1.

    Raises:
        LookupError: it cannot be compared: no such rival, torch is missing, no weights were kept.
    """
    if against != "open_clip":
        raise LookupError(f"--against {against}: allowed: open_clip")
    text, picture, preprocess = _open_clip(model)
    with PixelPool() as pool:
        pool.warm_up()
        content = camera_jpeg()
        pixels = np.random.default_rng(0).integers(0, 256, (1, spec.size, spec.size, 3), np.uint8)
        shown = Image.fromarray(pixels[0])

        def ours_camera() -> None:
            service.stub.EmbedImages(embed_request(pool.prepare(content, spec)[None]), timeout=120)

        return {
            **_pairs(
                "text_9",
                lambda n: service.stub.EmbedText(
                    embedding_pb2.EmbedTextRequest(texts=[text_of(_TOKENS, n)]), timeout=60
                ),
                lambda n: text(text_of(_TOKENS, n)),
            ),
            **_pairs(
                "picture",
                lambda _: service.stub.EmbedImages(embed_request(pixels), timeout=120),
                lambda _: picture(preprocess(shown)),
            ),
            **_pairs(
                "jpeg_12mp",
                lambda _: ours_camera(),
                lambda _: picture(preprocess(Image.open(io.BytesIO(content)))),
            ),
        }


def _pairs(name: str, ours: Callable[[int], object], theirs: Callable[[int], object]) -> Figures:
    """Medians of both, in turns, and their ratio."""
    mine, rivals = [], []
    for number in range(2 + _PAIRS):
        mine.append(_seconds(ours, number))
        rivals.append(_seconds(theirs, number))
    own, rival = float(np.median(mine[2:])), float(np.median(rivals[2:]))
    return {
        f"{name}_open_clip_p50_ms": round(rival * 1000, 2),
        f"{name}_paired_p50_ms": round(own * 1000, 3),
        f"{name}_times_faster": round(rival / own, 2),
    }


def _seconds(call: Callable[[int], object], number: int) -> float:
    start = time.perf_counter()
    call(number)
    return time.perf_counter() - start


def _open_clip(
    model: str,
) -> tuple[Callable[[str], object], Callable[[Any], object], Callable[[Image.Image], Any]]:
    """Text and picture towers as open_clip's README uses them, and its own preprocessing."""
    try:
        import torch

        from embedding_service.models import openclip
    except ImportError as error:
        raise LookupError(
            "--against open_clip needs: pip install 'viewfinder[openclip]'"
        ) from error
    store = ModelStore(load_settings(EmbeddingSettings).models_dir)
    try:
        manifest = store.get(model)
        if WEIGHTS not in manifest.files:
            raise LookupError(
                f"{model} was brought without its weights: `viewfinder models ... --keep-weights`"
            )
        folder = store.path_of(model)
        wanted = openclip.Architecture(manifest.name, manifest.pretrained)
        loaded = openclip.load(wanted, folder)
        tokenize = openclip.load_tokenizer(manifest.name, loaded, folder)
    except ModelProblem as problem:
        raise LookupError(str(problem)) from problem
    torch.set_num_threads(1)
    network = loaded.model.eval()
    transform = openclip.open_clip().transform
    how = transform.PreprocessCfg(**network.visual.preprocess_cfg)
    preprocess = transform.image_transform_v2(how, is_train=False)

    def text(words: str) -> object:
        with torch.no_grad():
            return network.encode_text(tokenize([words]), normalize=True)

    def picture(tensor: Any) -> object:
        with torch.no_grad():
            return network.encode_image(tensor[None], normalize=True)

    return text, picture, preprocess
