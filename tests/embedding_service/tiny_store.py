"""A store that holds the tiny CLIP."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from embedding_service.models.store import ModelStore
from embedding_service.settings import EmbeddingSettings

TINY = Path(__file__).with_name("tiny_clip")
TINY_ID = "Tiny--random"


def tiny_store(folder: Path, *ids: str) -> ModelStore:
    """Copies of the model under these ids, or its own."""
    for model in ids or (TINY_ID,):
        shutil.copytree(TINY, folder / model)
        path = folder / model / "model.json"
        name, _, pretrained = model.partition("--")
        text = path.read_text("utf-8")
        for key, value in (("id", model), ("name", name), ("pretrained", pretrained)):
            old = {"id": TINY_ID, "name": "Tiny", "pretrained": "random"}[key]
            text = text.replace(f'"{key}": "{old}"', f'"{key}": "{value}"', 1)
        path.write_text(text, encoding="utf-8")
    return ModelStore(folder)


def settings(folder: Path, **values: Any) -> EmbeddingSettings:
    """Settings with the store in `folder`; keys are variables' names."""
    return EmbeddingSettings(_env_file=None, VIEWFINDER_MODELS_DIR=folder, **values)
