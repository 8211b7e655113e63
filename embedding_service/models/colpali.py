"""The door to colpali-engine and torch: models that make a matrix of a page, by architecture.

Folders are read as transformers does it, weights from safetensors only: nothing in them is run.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from embedding_service.models.problems import BrokenCheckpoint, ColpaliMissing
from embedding_service.models.torchvision_import import prepare_torchvision
from viewfinder.pictures import Interpolation, PixelSpec

INSTALL = "pip install 'viewfinder[colqwen]'"
DIM = 128
_NEEDED = ("torch", "transformers", "colpali_engine")
# 2,048 tokens of a Qwen model: what a processor allows beyond is memory, not a better answer.
_MOST_PIXELS = 2048 * 28 * 28
_BILINEAR = 2  # PIL's number; 3 is bicubic, 1 Lanczos, for which bicubic stands in

Grid = Literal["qwen", "square", "split"]


@dataclass(frozen=True)
class Family:
    """An architecture of colpali-engine: its classes, and how its processor takes pages."""

    architecture: str  # the class of the model, as config.json names it
    processor: str
    grid: Grid


FAMILIES = {
    family.architecture: family
    for family in (
        Family("ColQwen2", "ColQwen2Processor", "qwen"),
        Family("ColQwen2_5", "ColQwen2_5_Processor", "qwen"),
        Family("ColPali", "ColPaliProcessor", "square"),
        Family("ColIdefics3", "ColIdefics3Processor", "split"),  # ColSmol
    )
}


@dataclass(frozen=True)
class LoadedModel:
    """A model in eval mode on its device, its processor, and the family they are of."""

    family: Family
    model: Any
    processor: Any


def engine() -> Any:
    """colpali_engine.models. Raises ColpaliMissing when it, or torch, is not installed."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ColpaliMissing(f"document models need {' and '.join(missing)}: {INSTALL}")
    prepare_torchvision()
    # What is loaded lies on this disk; asking a hub about it would only make it slow.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    with quiet():
        import colpali_engine.models as package

        return package


def version() -> str:
    """As it is noted beside what was verified."""
    from importlib.metadata import version as version_of

    return f"colpali-engine {version_of('colpali-engine')}"


def family_of(architecture: str, where: str) -> Family:
    """Raises BrokenCheckpoint, naming those there are, for another architecture."""
    if architecture not in FAMILIES:
        hint = ""
        if architecture.endswith("ForRetrieval"):
            hint = "; this is transformers' own form: take the same model without -hf in its name"
        raise BrokenCheckpoint(
            f"{where} is a {architecture or 'model without architecture'}, not a document model"
            f" that Viewfinder reads ({', '.join(FAMILIES)}){hint}"
        )
    return FAMILIES[architecture]


def load(family: Family, folder: Path, precision: str, device: str) -> LoadedModel:
    """The model of a folder; `precision` is "fp32", "bf16", "fp16", or "auto" (as it is stored).

    Raises:
        ColpaliMissing: the extra is not installed.
        BrokenCheckpoint: the folder cannot be read as this architecture.
    """
    engine()
    import torch

    types = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    with quiet():
        try:
            model, lacking = load_weights(family, folder, types.get(precision, "auto"))
            processor = load_processor(family, folder)
            if family.architecture == "ColPali":
                # Words are not to be predicted: a vocabulary's worth of numbers a token less. Nor
                # are these weights in checkpoints: they are the embedding's, and loading leaves
                # them without data.
                model.model.lm_head = torch.nn.Identity()
        except Exception as error:
            first = (str(error).strip() or type(error).__name__).partition("\n")[0][:300]
            raise BrokenCheckpoint(
                f"{folder} cannot be read as a {family.architecture}: {first}"
            ) from error
        if lacking:
            raise BrokenCheckpoint(f"{folder} lacks weights: {', '.join(lacking[:4])}, ...")
        return LoadedModel(family, model.to(device).eval().requires_grad_(False), processor)


def load_weights(family: Family, folder: Path, dtype: Any) -> tuple[Any, list[str]]:
    """The model on the CPU, and the weights that the folder lacks: those would be random numbers,
    and transformers only mentions it."""
    model, told = getattr(engine(), family.architecture).from_pretrained(
        str(folder),
        dtype=dtype,
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
    )
    return model, sorted(told["missing_keys"])


def load_processor(family: Family, folder: Path) -> Any:
    """The processor of a folder, its largest page within what this service takes."""
    processor = getattr(engine(), family.processor).from_pretrained(
        str(folder), local_files_only=True
    )
    if family.grid == "qwen":
        size = processor.image_processor.size
        size["longest_edge"] = min(size["longest_edge"], _MOST_PIXELS)
    return processor


def pixel_spec(family: Family, processor: Any) -> PixelSpec:
    """How pages must be prepared so that the processor's own resizing changes nothing.

    Of a model that splits pages ("split") the processor resizes to whole tiles itself; its pages
    come with their aspect, and no larger than it makes use of.
    """
    images = processor.image_processor
    size = images.size
    interpolation: Interpolation = "bilinear" if images.resample == _BILINEAR else "bicubic"
    if family.grid == "square":
        return PixelSpec(int(size["height"]), "squash", interpolation)
    if family.grid == "qwen":
        multiple = images.patch_size * images.merge_size
        smallest, largest = int(size["shortest_edge"]), int(size["longest_edge"])
        return PixelSpec(0, "within", interpolation, 0, multiple, smallest, largest)
    tile = int(images.max_image_size["longest_edge"])
    longest = int(size["longest_edge"])
    return PixelSpec(0, "within", interpolation, 0, 2, tile**2, max(longest**2, tile**2))


def prompts(processor: Any) -> list[str]:
    """What the processor puts around pages and texts; other words are another encoder."""
    return [
        str(processor.visual_prompt_prefix),
        str(processor.query_prefix),
        str(processor.query_augmentation_token),
    ]


@contextmanager
def quiet() -> Iterator[None]:
    """transformers logs its progress, and warns of what is decided here."""
    logging.disable(logging.ERROR)
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if importlib.util.find_spec("transformers") is not None:
                from transformers.utils import logging as transformers_logging

                transformers_logging.disable_progress_bar()
            yield
    finally:
        logging.disable(logging.NOTSET)
