"""Makes tests/embedding_service/tiny_clip/: a random CLIP of two layers and 770 tokens, exported by
the product's own code, and beside it what open_clip itself says of some texts and pictures.

    python -m tests.embedding_service.make_tiny_clip      (needs viewfinder[openclip])

Run it again when the format of the store changes, and commit the result.
"""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data

from embedding_service.models import openclip, towers
from embedding_service.models.export import make
from embedding_service.models.manifest import Manifest
from embedding_service.models.openclip import Architecture
from embedding_service.models.store import ModelStore
from embedding_service.models.verify import sample_pictures, texts
from viewfinder.pixels import PixelPool

TINY = Path(__file__).with_name("tiny_clip")
ARCHITECTURE = Architecture("Tiny", "random")
GOLDEN_TEXTS = [
    "a cat",
    "a photo of two dogs in the snow",
    "caf\u00e9 &amp; bar",
    *texts(77)[70:79],
]
GOLDEN_PICTURES = ("chelsea.png", "rocket.jpg")
_MERGES = 256
_WIDTH = 32


def tiny_config(merges: int = 48894) -> dict[str, Any]:
    """A CLIP config of open_clip: two layers, pictures of 64 pixels."""
    return {
        "embed_dim": _WIDTH,
        "vision_cfg": {
            "image_size": 64, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16,
        },
        "text_cfg": {
            "context_length": 77, "vocab_size": 514 + merges, "width": 40, "heads": 2, "layers": 2,
        },
    }  # fmt: skip


def tiny_model(config: dict[str, Any]) -> Any:
    """With random weights that are always the same, large enough that texts differ."""
    import torch

    package = openclip.open_clip()
    torch.manual_seed(7)
    made = (package.CustomTextCLIP if config.pop("custom_text", False) else package.CLIP)(**config)
    for parameter in made.parameters():
        if parameter.ndim >= 2:
            parameter.data.mul_(1.5)
    package.model.set_model_preprocess_cfg(made, {"size": 64, **_PREPROCESS})
    return made.eval().requires_grad_(False)


_PREPROCESS = {
    "mode": "RGB",
    "mean": (0.48, 0.45, 0.40),
    "std": (0.26, 0.26, 0.27),
    "interpolation": "bicubic",
    "resize_mode": "shortest",
    "fill_color": 0,
}


def _short_tokenizer(folder: Path) -> Any:
    package = openclip.open_clip()
    whole = gzip.decompress(Path(package.tokenizer.default_bpe()).read_bytes()).decode()
    path = folder / "bpe.txt.gz"
    path.write_bytes(gzip.compress("\n".join(whole.split("\n")[: _MERGES + 1]).encode()))
    return package.SimpleTokenizer(bpe_path=str(path))


def main() -> None:
    """Write the folder."""
    with tempfile.TemporaryDirectory() as scratch:
        model, tokenizer = tiny_model(tiny_config(_MERGES)), _short_tokenizer(Path(scratch))
        store = ModelStore(Path(scratch) / "store")
        with store.making() as folder:
            manifest: Manifest = make(
                folder,
                ARCHITECTURE,
                model,
                tokenizer,
                source={"sha256": "random"},
                pictures=lambda spec: sample_pictures(spec, None),
                say=print,
            )
            manifest = store.publish(folder, replace(manifest, made_with={}))
        shutil.rmtree(TINY, ignore_errors=True)
        shutil.copytree(store.path_of(manifest.id), TINY)
    (TINY.with_name("tiny_clip_golden.json")).write_text(_golden(model, tokenizer, manifest))
    print(manifest.verified, sum(f.stat().st_size for f in TINY.iterdir()), "bytes")


def _golden(model: Any, tokenizer: Any, manifest: Manifest) -> str:
    import torch

    root = Path(str(skimage.data.__file__)).parent
    preprocessing = towers.preprocessing_of(model)
    with PixelPool() as pool, torch.inference_mode():
        pixels = np.stack([pool.prepare(root / name, manifest.pixels) for name in GOLDEN_PICTURES])
        mean, std = (
            torch.tensor(v).reshape(1, 3, 1, 1) for v in (preprocessing.mean, preprocessing.std)
        )
        x = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - mean) / std
        ids = tokenizer(GOLDEN_TEXTS)
        golden = {
            "texts": GOLDEN_TEXTS,
            "ids": [row[: int(row.argmax()) + 1].tolist() for row in ids],
            "text_vectors": model.encode_text(ids, normalize=True).numpy().round(6).tolist(),
            "pictures": GOLDEN_PICTURES,
            "image_vectors": model.encode_image(x, normalize=True).numpy().round(6).tolist(),
        }
    return json.dumps(golden, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()
