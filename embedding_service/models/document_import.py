"""Brings document models into the store: published ones are an adapter and its base, or merged.

Only safetensors are read. What is stored is merged, so that serving needs no adapter library, and
it is stored only when its matrices are colpali-engine's own.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from embedding_service.encoders.base import FloatArray
from embedding_service.models import colpali
from embedding_service.models.colpali import Family, family_of
from embedding_service.models.document_manifest import DocumentManifest
from embedding_service.models.manifest import FILE_NAME, Probe, model_id
from embedding_service.models.problems import BrokenCheckpoint, ExportRefused
from embedding_service.models.store import ModelStore, sha256_of

CONFIG, ADAPTER = "config.json", "adapter_config.json"
# Of processors and tokenizers; nothing else of a folder is taken.
_TAKEN = (".json", ".txt", ".model", ".jinja")
_PROBES = ("a page with a table", "Rechnung Nr. 4711: what is the total?")
_LIMIT = 0.9999


@dataclass(frozen=True)
class DocumentCheckpoint:
    """A folder that holds a document model, or an adapter that makes one of its base."""

    folder: Path
    family: Family
    base: Path | None  # of an adapter

    @property
    def is_adapter(self) -> bool:
        """Whether weights of the base are needed too."""
        return self.base is not None


def is_document_folder(folder: Path) -> bool:
    """Whether a folder looks like a model of transformers or an adapter for one."""
    return folder.is_dir() and any((folder / name).is_file() for name in (CONFIG, ADAPTER))


def base_of(folder: Path) -> str:
    """The base model that an adapter names; empty where the folder is no adapter."""
    if not (folder / ADAPTER).is_file():
        return ""
    return str(_json(folder / ADAPTER).get("base_model_name_or_path") or "")


def look_at(folder: Path, base: Path | None) -> DocumentCheckpoint:
    """What a folder holds.

    Raises:
        BrokenCheckpoint: no document model, weights that are not safetensors, or an adapter
            without its base.
    """
    adapter_of = base_of(folder)
    if not adapter_of:
        _check_weights(folder)
        return DocumentCheckpoint(folder, family_of(_architecture(folder), str(folder)), None)
    if base is None:
        raise BrokenCheckpoint(
            f"{folder} is an adapter for {adapter_of}: fetch that model too, and add --base FOLDER"
        )
    _check_weights(folder)
    _check_weights(base)
    return DocumentCheckpoint(folder, family_of(_architecture(base), str(base)), base)


def import_document_model(
    store: ModelStore,
    wanted: DocumentCheckpoint,
    name: str,
    pretrained: str,
    source: dict[str, str],
    say: Callable[[str], None] = lambda _: None,
) -> DocumentManifest:
    """Make and store a model.

    Raises:
        ColpaliMissing: the extra is not installed.
        BrokenCheckpoint: it cannot be read.
        ExportRefused: what was stored computes something else.
    """
    colpali.engine()
    with store.making() as made:
        if wanted.base is not None:
            say(f"merging the adapter {wanted.folder} into {wanted.base}")
            _merge(wanted, wanted.base, made)
        else:
            say(f"copying {wanted.folder}")
            for path in sorted(wanted.folder.iterdir()):
                if path.suffix in (*_TAKEN, ".safetensors") and path.name != FILE_NAME:
                    shutil.copyfile(path, made / path.name)
        for copied in made.iterdir():
            copied.chmod(0o644)
        say("comparing with colpali-engine (a few texts, one page)")
        loaded = colpali.load(wanted.family, made, "auto", "cpu")
        manifest = DocumentManifest(
            id=model_id(name, pretrained),
            name=name,
            pretrained=pretrained,
            architecture=wanted.family.architecture,
            revision="",
            dim=colpali.DIM,
            pixels=colpali.pixel_spec(wanted.family, loaded.processor),
            source=source,
            made_with={"colpali-engine": colpali.version()},
        )
        del loaded
        manifest = replace(manifest, revision=_revision(made, manifest))
        manifest = replace(manifest, probes=_checked(made, manifest))
        return store.publish(made, manifest)


def _merge(wanted: DocumentCheckpoint, base: Path, made: Path) -> None:
    """The adapter's matrices added to the base's, as peft does it, and all saved as one model.

    Loaded through transformers' own path for adapters, which renames the weights of older ones.
    """
    package = colpali.engine()
    from peft.tuners.tuners_utils import BaseTunerLayer

    whole = made / ".adapter"
    whole.mkdir()
    for path in wanted.folder.iterdir():
        if path.is_file() and path.suffix in (*_TAKEN, ".safetensors"):
            shutil.copyfile(path, whole / path.name)
    about = _json(wanted.folder / ADAPTER)
    about["base_model_name_or_path"] = str(base.resolve())
    (whole / ADAPTER).write_text(json.dumps(about), "utf-8")
    with colpali.quiet():
        try:
            model, lacking = colpali.load_weights(wanted.family, whole, "auto")
        except Exception as error:
            first = (str(error).strip() or type(error).__name__).partition("\n")[0][:300]
            raise BrokenCheckpoint(
                f"{wanted.folder} cannot be read as an adapter of {base}: {first}"
            ) from error
        if lacking:
            raise BrokenCheckpoint(
                f"{wanted.folder} and {base} lack weights: {', '.join(lacking[:4])}, ..."
            )
        merged = 0
        for key, layer in list(model.named_modules()):
            if isinstance(layer, BaseTunerLayer):
                layer.merge()
                model.set_submodule(key, layer.get_base_layer())
                merged += 1
        if not merged:
            raise BrokenCheckpoint(f"{wanted.folder} changes nothing in {base}: is it its adapter?")
        model._hf_peft_config_loaded = False
        # As the model has them: renamed back as the adapter's were, nothing could read them.
        model.save_pretrained(str(made), save_original_format=False)
        processor = getattr(package, wanted.family.processor)
        has_own = any((wanted.folder / n).is_file() for n in ("tokenizer.json", "tokenizer.model"))
        processor.from_pretrained(
            str(wanted.folder if has_own else base), local_files_only=True
        ).save_pretrained(str(made))
    shutil.rmtree(whole)


def _revision(made: Path, manifest: DocumentManifest) -> str:
    """Of the weights, the tokenizer, and of how pages and texts are prepared."""
    processor = colpali.load_processor(manifest.family, made)
    digest = hashlib.sha256()
    for path in sorted(made.iterdir()):
        if path.suffix in (".safetensors", ".model") or path.name == "tokenizer.json":
            digest.update(f"{path.name}:{sha256_of(path)}\n".encode())
    about = [manifest.architecture, manifest.pixels.as_json(), colpali.prompts(processor)]
    digest.update(json.dumps(about, sort_keys=True).encode())
    return digest.hexdigest()[:12]


def _checked(made: Path, manifest: DocumentManifest) -> tuple[Probe, ...]:
    """Texts with their matrices, after texts and a page agreed with colpali-engine's own calls."""
    from embedding_service.encoders.colpali import ColpaliEncoder

    encoder = ColpaliEncoder(made, manifest, "auto")
    true_texts, true_pages = engines_own(encoder, _PROBES, [sample_page(manifest)])
    texts = encoder.embed_texts(_PROBES)
    pages = encoder.embed_images([sample_page(manifest)])
    smallest = min(map(_smallest_cosine, [*texts, *pages], [*true_texts, *true_pages]))
    if not smallest >= _LIMIT:
        raise ExportRefused(
            f"{manifest.id} computes other matrices than colpali-engine (cosine {smallest:.5f}):"
            " nothing was stored"
        )
    return tuple(Probe.of(text, matrix) for text, matrix in zip(_PROBES, texts, strict=True))


def engines_own(
    encoder: Any, texts: tuple[str, ...], pages: list[Any]
) -> tuple[list[FloatArray], list[FloatArray]]:
    """Matrices as colpali-engine's documentation says to make them, one at a time."""
    import torch
    from PIL import Image

    processor, model = encoder._loaded.processor, encoder._loaded.model
    fed_texts = [processor.process_queries(texts=[text]) for text in texts]
    fed_pages = [processor.process_images([Image.fromarray(page)]) for page in pages]
    for fed in fed_pages:
        fed.pop("labels", None)
    with torch.inference_mode():
        of_texts, of_pages = ([model(**fed)[0] for fed in some] for some in (fed_texts, fed_pages))
    return [m.float().numpy() for m in of_texts], [m.float().numpy() for m in of_pages]


def sample_page(manifest: DocumentManifest) -> Any:
    """A page with lines of black on white, always the same: uint8 [h, w, 3] as the spec wants."""
    spec = manifest.pixels
    side = spec.size
    if not side:
        side = spec.multiple * max(1, int((min(spec.max_pixels, 448**2)) ** 0.5) // spec.multiple)
    page = np.full((side, side, 3), 255, np.uint8)
    page[side // 8 : side // 2 : 8, side // 8 : -side // 8] = 0
    return page


def _smallest_cosine(ours: FloatArray, true: FloatArray) -> float:
    if ours.shape != true.shape:
        return 0.0
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(true, axis=1)
    return float(((ours * true).sum(1) / lengths).min())


def _architecture(folder: Path) -> str:
    found = _json(folder / CONFIG).get("architectures") or [""]
    return str(found[0])


def _check_weights(folder: Path) -> None:
    if any(folder.glob("*.safetensors")):
        return
    others = sorted(p.name for p in folder.glob("*") if p.suffix in (".bin", ".pt", ".pth"))
    which = f" but {', '.join(others[:3])}, which could run code on this machine" if others else ""
    raise BrokenCheckpoint(f"{folder} holds no weights as safetensors{which}")


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BrokenCheckpoint(f"{path} cannot be read ({error})") from error
    if not isinstance(data, dict):
        raise BrokenCheckpoint(f"{path} is not a JSON object")
    return data
