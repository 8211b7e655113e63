"""Exports a model of open_clip to ONNX, quantises it, and verifies both before they may serve.

Needs torch, open_clip, onnx and onnxscript, once. What it writes is served without them.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx
import torch
from onnxruntime import quantization
from torch import nn

from embedding_service.encoders.base import PixelArray
from embedding_service.encoders.clip_text import ClipTokenizer
from embedding_service.encoders.onnx_clip import OnnxClipEncoder
from embedding_service.models import openclip, towers
from embedding_service.models.cells import TokensTower, cells_head
from embedding_service.models.manifest import (
    CELLS,
    TOKENIZER,
    TOKENS,
    WEIGHTS,
    WEIGHTS_CONFIG,
    Agreement,
    Manifest,
    TextInput,
    Verification,
    model_id,
)
from embedding_service.models.openclip import Architecture, LoadedModel
from embedding_service.models.problems import ExportRefused
from embedding_service.models.store import ModelStore, sha256_of
from embedding_service.models.tokenizer_file import tokenizer_file
from embedding_service.models.verify import (
    FP32_LIMIT,
    INT8_LIMIT,
    Reference,
    agreement,
    first_other_ids,
    texts,
)

OPSET = 20
_QUANTISED = ("MatMul", "Gemm")
# One protobuf file may have 2 GiB; larger models keep their weights beside it.
_LARGEST_FILE = 1_800_000_000

Say = Callable[[str], None]


def export(
    store: ModelStore,
    wanted: Architecture,
    checkpoint: Path,
    *,
    source: dict[str, str],
    pictures: Callable[[Any], PixelArray],
    tokenizer_source: Path | None = None,
    int8: bool = True,
    keep_weights: bool = False,
    say: Say = lambda _: None,
) -> Manifest:
    """Make a model of the store from a checkpoint; nothing is there unless all of it is.

    `pictures` prepares real pictures for a PixelSpec: uint8 [n, size, size, 3].

    Raises:
        UnknownModel, BrokenCheckpoint: see openclip.load.
        ExportRefused: the result does not agree with open_clip, or cannot be exported.
        OSError: the disk is full, for one.
    """
    say("loading the checkpoint")
    loaded = openclip.load(wanted, checkpoint)
    tokenizer = openclip.load_tokenizer(wanted.name, loaded, checkpoint, tokenizer_source)
    say("hashing it")
    weights = openclip.find_weights(checkpoint) if checkpoint.is_dir() else checkpoint
    source = {**source, "file": weights.name, "sha256": sha256_of(weights)}
    with store.making() as folder:
        manifest = make(
            folder,
            wanted,
            loaded.model,
            tokenizer,
            source=source,
            pictures=pictures,
            int8=int8,
            say=say,
        )
        if keep_weights:
            say("keeping the weights for torch")
            _keep_weights(folder, loaded)
        return store.publish(folder, manifest)


def make(
    folder: Path,
    wanted: Architecture,
    model: Any,
    tokenizer: Any,
    *,
    source: dict[str, str],
    pictures: Callable[[Any], PixelArray],
    int8: bool = True,
    say: Say = lambda _: None,
) -> Manifest:
    """Write the files of a model into a folder and verify them.

    Raises:
        ExportRefused: the result does not agree with open_clip, or cannot be exported.
    """
    preprocessing = towers.preprocessing_of(model)
    context = int(getattr(model, "context_length", 0) or tokenizer.context_length)
    text, how = tokenizer_file(tokenizer, context, towers.is_causal(model))
    (folder / TOKENIZER).write_text(text, encoding="utf-8")
    say("exporting the text tower")
    _export_text(towers.exported_text_tower(model), how, folder / "text.fp32.onnx")
    say("exporting the image tower")
    size = preprocessing.pixels.size
    tower = towers.exported_image_tower(model, preprocessing)
    head = cells_head(model)
    _export_images(tower, size, folder / "image.fp32.onnx", with_tokens=head is not None)
    if head is not None:
        say("exporting what its patches show")
        tokens, width = model.visual.positional_embedding.shape
        _export_cells(head, tokens, width, folder / CELLS)
    manifest = Manifest(
        id=model_id(wanted.name, wanted.pretrained),
        name=wanted.name,
        pretrained=wanted.pretrained,
        revision=_revision(source["sha256"], preprocessing, text, how),
        dim=towers.dim_of(model, preprocessing),
        pixels=preprocessing.pixels,
        mean=preprocessing.mean,
        std=preprocessing.std,
        text=how,
        verified=Verification({}, 0, 0, ""),
        source=source,
        made_with={"onnxruntime": version("onnxruntime"), "torch": version("torch")},
    )
    say("asking open_clip for the truth")
    mine = ClipTokenizer(folder / TOKENIZER, how)
    other = first_other_ids(mine, tokenizer, how.pad_id, texts(context))
    if other is not None:
        raise ExportRefused(f"its tokens differ from open_clip's for {other!r}. Nothing was stored")
    pixels = pictures(preprocessing.pixels)
    reference = Reference.of(model, tokenizer, context, preprocessing, pixels)
    found = {"fp32": _verify(folder, manifest, reference, "fp32", say)}
    if not found["fp32"].reaches(FP32_LIMIT):
        raise ExportRefused(
            f"the exported model differs from open_clip: smallest cosine {found['fp32']},"
            f" wanted {FP32_LIMIT}. Nothing was stored"
        )
    if int8:
        say("quantising")
        found |= _quantised(folder, manifest, reference, say)
    verified = Verification(found, len(reference.texts), len(reference.pixels), openclip.version())
    return replace(manifest, verified=verified, probes=reference.probes())


def _quantised(
    folder: Path, manifest: Manifest, reference: Reference, say: Say
) -> dict[str, Agreement]:
    """int8 and how well it agrees; nothing, and no files, where it does not."""
    try:
        for tower in ("text", "image"):
            _quantise(folder / f"{tower}.fp32.onnx", folder / f"{tower}.int8.onnx")
        found = _verify(folder, manifest, reference, "int8", say)
        if found.reaches(INT8_LIMIT):
            return {"int8": found}
        why = f"int8 is too far from open_clip (smallest cosine {found}, wanted {INT8_LIMIT})"
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - the quantiser raises everything; fp32 serves anyway
        why = f"int8 cannot be made of it ({str(error).partition(chr(10))[0][:200]})"
    for path in folder.glob("*.int8.onnx*"):
        path.unlink()
    say(f"{why}: only fp32 is kept")
    return {}


def _export_text(tower: nn.Module, how: TextInput, path: Path) -> None:
    batch = torch.export.Dim("batch", min=1, max=512)
    length = torch.export.Dim("length", min=2, max=how.context_length)
    example_length = min(20, how.context_length - 1) if how.causal else how.context_length
    ids = torch.ones(3, example_length, dtype=torch.long)
    if how.eot_id is not None:
        ids[:, -1] = how.eot_id
    _export(tower, ids, "ids", {0: batch, 1: length} if how.causal else {0: batch}, path)


def _export_images(tower: nn.Module, size: int, path: Path, *, with_tokens: bool) -> None:
    batch = torch.export.Dim("batch", min=1, max=512)
    pixels = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    outputs = ("vectors",)
    if with_tokens:  # they are there anyway: that they can be asked for costs nothing
        tower, outputs = TokensTower(tower, towers.visual_of(tower)), ("vectors", TOKENS)
    _export(tower, pixels, "pixels", {0: batch}, path, outputs)


def _export_cells(head: nn.Module, tokens: int, width: int, path: Path) -> None:
    batch = torch.export.Dim("batch", min=1, max=512)
    _export(head, torch.zeros(2, tokens, width), TOKENS, {0: batch}, path, ("cells",))


def _export(
    tower: nn.Module,
    example: torch.Tensor,
    name: str,
    shape: Any,
    path: Path,
    outputs: Sequence[str] = ("vectors",),
) -> None:
    weights = sum(p.numel() * p.element_size() for p in tower.parameters())
    try:
        with _quiet(), torch.inference_mode():
            torch.onnx.export(
                tower,
                (example,),
                str(path),
                input_names=[name],
                output_names=list(outputs),
                dynamic_shapes=(shape,),
                dynamo=True,
                opset_version=OPSET,
                external_data=weights > _LARGEST_FILE,
                verbose=False,
            )
        _strip(path)
    except OSError:
        raise
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, OSError):  # a full disk is not the model's fault
                raise cause from None
            cause = cause.__cause__
        raise ExportRefused(
            f"its {path.name.partition('.')[0]} tower cannot be exported: {_reason(error)}"
        ) from error


def _reason(error: Exception) -> str:
    """The exporter's essay, down to what happened."""
    found = re.search(r"<class '[\w.]+'>: (.*)", str(error))
    return (found.group(1) if found else str(error).partition("\n")[0])[:300]


def _strip(path: Path) -> None:
    """Take out what the exporter notes beside every node: its stack, with this machine's paths."""
    graph = onnx.load(path, load_external_data=False)
    del graph.metadata_props[:], graph.graph.metadata_props[:]
    del graph.graph.value_info[:]  # shapes of before the optimiser; quantising stumbles over them
    for part in (*graph.graph.node, *graph.graph.initializer, *graph.graph.input):
        del part.metadata_props[:]
        part.doc_string = ""
    for function in graph.functions:
        for node in function.node:
            del node.metadata_props[:]
            node.doc_string = ""
    onnx.save(graph, path)


def _quantise(fp32: Path, int8: Path) -> None:
    """Weights to int8, one scale a column; activations are scaled as they come."""
    graph = onnx.load(fp32)
    large = graph.ByteSize() > _LARGEST_FILE
    make: Any = quantization  # its names are re-exported without declaring them
    with _quiet():
        make.quantize_dynamic(
            fp32 if large else graph,
            int8,
            weight_type=make.QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=list(_QUANTISED),
            # What comes out of ONNX Runtime's own operators has no declared type.
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
            use_external_data_format=large,
        )


def _verify(
    folder: Path, manifest: Manifest, reference: Reference, precision: str, say: Say
) -> Agreement:
    say(f"verifying {precision}")
    return agreement(
        OnnxClipEncoder(folder, manifest, precision, torch.get_num_threads()), reference
    )


def _keep_weights(folder: Path, loaded: LoadedModel) -> None:
    """As a folder that open_clip itself reads ("local-dir:")."""
    from safetensors.torch import save_file

    tensors = {key: value.contiguous() for key, value in loaded.model.state_dict().items()}
    save_file(tensors, folder / WEIGHTS)
    (folder / WEIGHTS_CONFIG).write_text(json.dumps(loaded.config, indent=1), encoding="utf-8")


def _revision(
    weights: str, preprocessing: towers.Preprocessing, tokenizer: str, how: TextInput
) -> str:
    parts: Sequence[str] = (weights, repr(preprocessing), tokenizer, repr(how))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter prints its progress and warns of its own future."""
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
