"""Whether an exported model says what open_clip says: real pictures, texts of every length."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedding_service.encoders.base import Encoder, FloatArray, PixelArray
from embedding_service.encoders.clip_text import ClipTokenizer
from embedding_service.models.manifest import Agreement, Probe
from embedding_service.models.problems import ModelProblem
from viewfinder.errors import ViewfinderError
from viewfinder.pixels import PixelPool, PixelSpec

if TYPE_CHECKING:
    from embedding_service.models.towers import Preprocessing

FP32_LIMIT = 0.9999
INT8_LIMIT = 0.995
MOST_PICTURES = 32
_BATCH = 8
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".heic", ".avif", ".tif", ".tiff", ".bmp")
_STORY = (
    "a photo of two brown dogs that run through fresh snow beside a frozen lake while children in "
    "red coats watch them from an old wooden bridge under tall dark trees at sunset , seen from "
    "far away with low light and long shadows on the ice and some birds in the pale sky above the "
    "distant hills near a small town where lamps begin to shine and smoke rises from every house "
    "as people walk home with bread milk and warm hands to sit by the fire"
)
_ODD_TEXTS = (
    "A Photo Of A CAT!",
    "caf\u00e9 &amp; bar &lt;open&gt;",
    "doesn't it look like it's 12,345 o'clock?",
    "\u732b\u304c\u5bdd\u3066\u3044\u308b",
    "\u041a\u043e\u0448\u043a\u0430 \u0441\u043f\u0438\u0442",
    "\U0001f408\u200d\u2b1b on a \U0001f6cb\ufe0f",
    "sch\u00f6n \u2014 \u201cquoted\u201d \u2026",
    "mojibake: \u00c3\u00a9\u00e2\u20ac\u2122",
    "3.14159 x 10^2 % #hashtag @name",
    "<end_of_text> in the middle",
)


def texts(context_length: int = 77) -> list[str]:
    """Texts of 1..context_length words, and odd ones. Always the same."""
    words = _STORY.split()
    counted = [" ".join(words[:count]) for count in range(1, min(context_length, len(words)) + 1)]
    return [*counted, f"{_STORY} {_STORY} {_STORY}", *_ODD_TEXTS]


@dataclass(frozen=True)
class Reference:
    """What open_clip itself makes of texts and pictures: unit vectors, float32 [n, dim]."""

    texts: list[str]
    pixels: PixelArray
    text_vectors: FloatArray
    image_vectors: FloatArray

    @staticmethod
    def of(
        model: Any,
        ids_of: Callable[[list[str]], Any],
        context_length: int,
        preprocessing: Preprocessing,
        pixels: PixelArray,
    ) -> Reference:
        """Runs open_clip as its own documentation says: whole contexts, its own normalisation.

        `ids_of` makes tensors int64 [n, context_length] of texts: open_clip's tokenizer.
        """
        import torch

        mean, std = (
            torch.tensor(v).reshape(1, 3, 1, 1) for v in (preprocessing.mean, preprocessing.std)
        )
        wanted = texts(context_length)
        text_vectors, image_vectors = [], []
        with torch.inference_mode():
            for start in range(0, len(wanted), _BATCH):
                ids = ids_of(wanted[start : start + _BATCH])
                text_vectors.append(model.encode_text(ids, normalize=True).float().numpy())
            for start in range(0, len(pixels), _BATCH):
                batch = torch.from_numpy(pixels[start : start + _BATCH])
                x = (batch.permute(0, 3, 1, 2).float() / 255 - mean) / std
                image_vectors.append(model.encode_image(x, normalize=True).float().numpy())
        return Reference(
            wanted, pixels, np.concatenate(text_vectors), np.concatenate(image_vectors)
        )

    def probes(self) -> tuple[Probe, ...]:
        """A short and a long text with their vectors."""
        return tuple(Probe.of(self.texts[n], self.text_vectors[n]) for n in (6, 30))


def agreement(encoder: Encoder, reference: Reference) -> Agreement:
    """The smallest cosines, alone and in batches: int8 scales a batch as a whole."""
    alone = [encoder.embed_texts([text])[0] for text in reference.texts]
    batched = encoder.embed_texts(reference.texts)
    image_alone = [encoder.embed_images(picture[None])[0] for picture in reference.pixels]
    image_batched = encoder.embed_images(reference.pixels)
    return Agreement(
        min(
            _smallest(np.stack(alone), reference.text_vectors),
            _smallest(batched, reference.text_vectors),
        ),
        min(
            _smallest(np.stack(image_alone), reference.image_vectors),
            _smallest(image_batched, reference.image_vectors),
        ),
    )


def first_other_ids(
    mine: ClipTokenizer, theirs: Any, pad_id: int, wanted: Sequence[str]
) -> str | None:
    """The first text that open_clip makes other ids of."""
    for text in wanted:
        ids, true = mine([text])[0], theirs([text]).numpy()[0]
        padded = np.pad(ids, (0, len(true) - len(ids)), constant_values=pad_id)
        if (padded != true).any():
            return text
    return None


def sample_pictures(spec: PixelSpec, folder: Path | None) -> PixelArray:
    """Real pictures as the product prepares them: uint8 [n, size, size, 3].

    From the folder, or those that scikit-image ships.

    Raises:
        ModelProblem: there are none.
    """
    if folder is None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import skimage.data as samples
        except ImportError:
            raise ModelProblem(
                "verifying needs real pictures: --pictures FOLDER, or: pip install scikit-image"
            ) from None
        folder = Path(str(samples.__file__)).parent
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES)[:MOST_PICTURES]
    with PixelPool() as pool:
        prepared = [p for p in pool.prepare_many(paths, spec) if not isinstance(p, ViewfinderError)]
    if not prepared:
        raise ModelProblem(f"{folder} holds no picture that can be read")
    return np.stack(prepared)


def _smallest(vectors: FloatArray, true: FloatArray) -> float:
    return float(np.einsum("nd,nd->n", vectors.astype(np.float64), true.astype(np.float64)).min())
