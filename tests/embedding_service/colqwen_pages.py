"""Pages as a document model wants them, and what colpali-engine itself makes of them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from embedding_service.encoders.colpali import ColpaliEncoder
from embedding_service.models import colpali
from embedding_service.models.document_manifest import DocumentManifest
from embedding_service.models.store import ModelStore
from viewfinder.pixels import PixelPool

TEXTS = ["a red page", "Z\u00fcrich invoice \u5317\u4eac, total?", "x"]


def encoder_of(store: ModelStore, name: str, precision: str = "fp32", **more: Any) -> Any:
    return ColpaliEncoder(store.path_of(name), store.get_document(name), precision, **more)


def png(width: int, height: int, seed: int = 0) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3))
    picture = Image.fromarray(noise.astype(np.uint8)).resize((width, height))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def prepared(manifest: DocumentManifest, *sizes: tuple[int, int]) -> list[Any]:
    with PixelPool() as pool:
        return [pool.prepare(png(*size, seed), manifest.pixels) for seed, size in enumerate(sizes)]


def engines_scores(store: ModelStore, name: str, pages: list[Any]) -> Any:
    """As colpali-engine's README does it: batches, padding and all."""
    loaded = colpali.load(colpali.FAMILIES[name], store.path_of(name), "fp32", "cpu")
    pictures = loaded.processor.process_images([Image.fromarray(page) for page in pages])
    pictures.pop("labels", None)
    with torch.inference_mode():
        of_pages = list(torch.unbind(loaded.model(**pictures)))
        # One at a time: with ColPali a text's matrix depends on what is padded beside it.
        of_texts = [loaded.model(**loaded.processor.process_queries(texts=[t]))[0] for t in TEXTS]
    return loaded.processor.score_multi_vector(of_texts, of_pages, device="cpu").numpy()


def max_sim(query: Any, page: Any) -> float:
    return float((query @ page.T).max(1).sum())


def prepared_for(folder: Path) -> Any:
    family = colpali.FAMILIES["ColQwen2"]
    spec = colpali.pixel_spec(family, colpali.load_processor(family, folder))
    with PixelPool() as pool:
        return pool.prepare(png(200, 120), spec)
