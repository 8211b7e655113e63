"""The door to open_clip and torch: nothing else imports them, and only when models are made."""

from __future__ import annotations

import difflib
import importlib.util
import json
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedding_service.models.problems import BrokenCheckpoint, OpenClipMissing, UnknownModel
from embedding_service.models.torchvision_import import prepare_torchvision

INSTALL = "pip install 'viewfinder[openclip]'"
SUFFIXES = (".pt", ".pth", ".bin", ".safetensors", ".npz")
_SHOWN_KEYS = 4
_OTHER_SHAPE = (
    r"size mismatch for ([^:]+): copying .*? shape torch\.Size\((.*?)\) from checkpoint, "
    r"the shape in current model is torch\.Size\((.*?)\)"
)


@dataclass(frozen=True)
class Architecture:
    """A name of OpenCLIP and, for a published model, its tag."""

    name: str
    pretrained: str
    quick_gelu: bool = False


def open_clip() -> Any:
    """The package. Raises OpenClipMissing when it, or torch, is not installed."""
    missing = [name for name in ("torch", "open_clip") if importlib.util.find_spec(name) is None]
    if missing:
        raise OpenClipMissing(
            f"making a model needs {' and '.join(missing)} (serving one does not): {INSTALL}"
        )
    prepare_torchvision()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import open_clip as package

        return package


def version() -> str:
    """As it is noted beside what was verified."""
    return f"open_clip {open_clip().__version__}"


def check_name(name: str) -> None:
    """Raises UnknownModel, with near names, when open_clip has no such architecture."""
    known: list[str] = open_clip().list_models()
    if name not in known:
        near = difflib.get_close_matches(name, known, 3, 0.5)
        lower = [model for model in known if model.lower() == name.lower()]
        hint = (
            f"did you mean {' or '.join(lower or near)}?"
            if lower or near
            else "see `viewfinder models list --all`"
        )
        raise UnknownModel(f"OpenCLIP has no model {name!r}; {hint}")


def published(name: str, tag: str) -> dict[str, Any]:
    """open_clip's entry of a pretrained tag: hf_hub, url, mean, std, ...

    Raises:
        UnknownModel: no such architecture or tag; the message names those there are.
    """
    check_name(name)
    package = open_clip()
    tags: list[str] = package.list_pretrained_tags_by_model(name)
    if tag not in tags:
        has = f"it has: {', '.join(tags)}" if tags else "it has none: import your own checkpoint"
        problem = f"has no pretrained tag {tag!r}" if tag else "needs a pretrained tag"
        raise UnknownModel(f"{name} {problem}; {has}")
    found: dict[str, Any] = package.get_pretrained_cfg(name, tag)
    return found


def all_published() -> list[tuple[str, str]]:
    """Every (name, tag) that can be pulled."""
    pairs: list[tuple[str, str]] = open_clip().list_pretrained()
    return pairs


@dataclass(frozen=True)
class LoadedModel:
    """A model of open_clip with weights, on the CPU, in float32, in eval mode."""

    model: Any
    config: dict[str, Any]  # what open_clip calls open_clip_config.json


def load(wanted: Architecture, checkpoint: Path) -> LoadedModel:
    """The model with the weights of a file, or of a folder that holds open_clip_config.json too.

    Weights are read without running code from the file (`weights_only`).

    Raises:
        UnknownModel: no such architecture.
        BrokenCheckpoint: not a checkpoint, or of another architecture.
    """
    package = open_clip()
    if checkpoint.is_dir():
        config = _config_of_folder(checkpoint)
        name = f"local-dir:{checkpoint}"
        options: dict[str, Any] = {}
        find_weights(checkpoint)
    else:
        config, options = _config_of_name(wanted)
        name, options = wanted.name, {**options, "pretrained": str(checkpoint)}
        if checkpoint.suffix not in SUFFIXES:
            raise BrokenCheckpoint(f"{checkpoint} is none of {', '.join(SUFFIXES)}")
    with _quiet():
        try:
            model = package.create_model(name, pretrained_text=False, weights_only=True, **options)
        except Exception as error:
            raise BrokenCheckpoint(_why(error, checkpoint, wanted.name)) from error
    config["preprocess_cfg"] = dict(model.visual.preprocess_cfg)
    return LoadedModel(model.eval().requires_grad_(False), config)


def find_weights(folder: Path) -> Path:
    """The weights that open_clip would take from a folder. Raises BrokenCheckpoint for none."""
    found: str | None = open_clip().factory._find_checkpoint_in_dir(folder)
    if found is None:
        raise BrokenCheckpoint(f"{folder} holds no weights (*.safetensors, *.bin, *.pth)")
    return Path(found)


def _config_of_folder(folder: Path) -> dict[str, Any]:
    path = folder / "open_clip_config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text("utf-8"))
        config["model_cfg"]["text_cfg"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BrokenCheckpoint(
            f"{folder} is a folder without a readable open_clip_config.json; name the weights"
            " themselves, with --name ARCHITECTURE"
        ) from error
    return config


def _config_of_name(wanted: Architecture) -> tuple[dict[str, Any], dict[str, Any]]:
    package = open_clip()
    check_name(wanted.name)
    tag = package.get_pretrained_cfg(wanted.name, wanted.pretrained) or {}
    model: dict[str, Any] = package.get_model_config(wanted.name)
    quick_gelu = wanted.quick_gelu or bool(tag.get("quick_gelu"))
    if quick_gelu:
        model["quick_gelu"] = True
    options = {
        # Tags like openai's were trained with QuickGELU whatever the name says.
        "force_quick_gelu": quick_gelu,
        "force_preprocess_cfg": {key: tag[key] for key in _PREPROCESS if key in tag},
    }
    return {"model_cfg": model}, options


def load_tokenizer(
    name: str, loaded: LoadedModel, checkpoint: Path, folder: Path | None = None
) -> Any:
    """open_clip's tokenizer of a model. `folder` holds the tokenizer's files, for models that have
    theirs on the Hugging Face hub.

    Raises:
        BrokenCheckpoint: its files are not on this machine and cannot be had.
    """
    package = open_clip()
    text: dict[str, Any] = loaded.config["model_cfg"]["text_cfg"]
    repository = text.get("hf_tokenizer_name")
    options = dict(text.get("tokenizer_kwargs", {}))
    options["context_length"] = text.get("context_length", 77)
    if not repository:
        return package.SimpleTokenizer(**options)
    beside = checkpoint if (checkpoint / "tokenizer_config.json").is_file() else None
    try:
        with _quiet():
            return package.tokenizer.HFTokenizer(
                str(folder or beside or repository),
                tokenizer_mode=text.get("tokenizer_mode"),
                **options,
            )
    except ImportError as error:
        raise OpenClipMissing(f"{name} needs transformers for its tokenizer: {INSTALL}") from error
    except Exception as error:
        raise BrokenCheckpoint(
            f"the tokenizer of {name} is not on this machine. Where there is a network:\n"
            f"  hf download {repository} --include 'token*' 'special*' 'spiece*' 'config.json'"
            f" --local-dir tokenizer\nCopy that folder here and add: --tokenizer tokenizer"
        ) from error


_PREPROCESS = ("size", "mean", "std", "interpolation", "resize_mode", "fill_color")


@contextmanager
def _quiet() -> Iterator[None]:
    """open_clip logs its progress and warns of things that are decided here."""
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _why(error: Exception, checkpoint: Path, name: str) -> str:
    text = str(error)
    if "Error(s) in loading state_dict" in text or "size mismatch" in text:
        shapes = re.findall(_OTHER_SHAPE, text)
        if shapes:
            key, has, wants = shapes[0]
            detail = f"{key} is {has}, {name} wants {wants}"
        else:
            keys = re.findall(r'"([^"]+)"', text)
            detail = f"it lacks, or has too much: {', '.join(keys[:_SHOWN_KEYS])}, ..."
        return f"{checkpoint} is of another architecture than {name}: {detail}"
    if isinstance(error, AssertionError):  # open_clip's, of tables of positions
        return f"{checkpoint} is of another architecture than {name}: {text}"
    if "TorchScript" in text:
        return (
            f"{checkpoint} is a TorchScript program, not weights; the same weights lie as"
            " safetensors on the Hugging Face hub"
        )
    if re.search(r"Unsupported (global|class)", text, re.IGNORECASE):
        return (
            f"{checkpoint} holds more than weights, which could run code on this machine;"
            " save its state_dict alone (torch.save(model.state_dict(), FILE)), or as safetensors"
        )
    return f"{checkpoint} cannot be read as a checkpoint: {text.partition(chr(10))[0][:200]}"
