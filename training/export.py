"""Writes the trained towers as ONNX, small: fp16 weights, int8 word vectors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from torch import Tensor, nn

from training.backbone import FEATURE_CHANNELS, PICTURE_SIZE, Backbone
from training.picture_head import PictureHead
from training.text_tower import MAX_TOKENS, UNKNOWN
from training.towers import Towers

SMALL = 1024  # initialisers with fewer numbers stay fp32: nothing to gain

FloatArray = NDArray[np.float32]
Int8Array = NDArray[np.int8]


class PictureTower(nn.Module):
    """uint8 pixels [n, 256, 256, 3] to unit vectors [n, dim]."""

    def __init__(
        self, backbone: Backbone, heads: Sequence[PictureHead], directions: Tensor
    ) -> None:
        super().__init__()
        self.register_buffer("directions", directions)
        self.backbone = backbone
        self.last = nn.Conv2d(backbone.head_weight.shape[1], FEATURE_CHANNELS, 1)
        self.last.weight = nn.Parameter(backbone.head_weight[:, :, None, None].clone())
        self.last.bias = nn.Parameter(backbone.head_bias.clone())
        self.classes = nn.Linear(FEATURE_CHANNELS, len(backbone.class_bias))
        self.classes.weight = nn.Parameter(backbone.class_weight.clone())
        self.classes.bias = nn.Parameter(backbone.class_bias.clone())
        self.heads = nn.ModuleList(heads)

    def forward(self, pixels: Tensor) -> Tensor:
        """See the class."""
        grid, middle = self.backbone(pixels)
        grid = nn.functional.relu6(self.last(grid))
        mean = grid.mean((2, 3))
        features = torch.cat([mean, grid.amax((2, 3)), middle], 1)
        logits = self.classes(mean)
        vectors = torch.cat([head(features, logits) for head in self.heads], 1)
        return nn.functional.normalize(vectors @ self.directions, dim=1)


class TextTowers(nn.Module):
    """Token ids to unit vectors [n, dim], from int8 word vectors.

    All members share one table: first the word pieces that never occurred in training, then
    each member's own rows. `places` [32000, members] says where a piece is for each member.
    """

    def __init__(self, members: Sequence[Towers], embeddings: Tensor, directions: Tensor) -> None:
        super().__init__()
        self.register_buffer("directions", directions)
        self.texts = nn.ModuleList(towers.text for towers in members)
        seen = set(members[0].tokens)
        unseen = [token for token in range(len(embeddings)) if token not in seen]
        places = torch.zeros(len(embeddings), len(members), dtype=torch.int32)
        places[unseen] = torch.arange(len(unseen), dtype=torch.int32)[:, None]
        rows, size = [embeddings[unseen]], len(unseen)
        for k, towers in enumerate(members):
            rows.append(towers.text.embedding.weight.detach())
            places[towers.tokens, k] = torch.arange(size, size + len(rows[-1])).int()
            size += len(rows[-1])
        table = torch.cat(rows)
        scales = table.abs().amax(1, keepdim=True).clamp(min=1e-6) / 127
        self.register_buffer("table", torch.round(table / scales).to(torch.int8))
        self.register_buffer("scales", scales)
        self.register_buffer("places", places)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """ids int64 [n, t], mask float32 [n, t] -> [n, dim]."""
        vectors = []
        for k, text in enumerate(self.texts):
            rows = self.places[:, k][ids].long()
            words = self.table[rows].float() * self.scales[rows]
            vectors.append(nn.functional.normalize(text.read(words, mask), dim=1))
        return nn.functional.normalize(torch.cat(vectors, 1) @ self.directions, dim=1)


def rounded(values: FloatArray, axis: int) -> tuple[Int8Array, FloatArray]:
    """int8 numbers with one scale for each index of `axis`."""
    others = tuple(i for i in range(values.ndim) if i != axis)
    scale = np.maximum(np.abs(values).max(others, keepdims=True), 1e-9) / 127
    return np.round(values / scale).astype(np.int8), scale.astype(np.float32)


def shrink(model: onnx.ModelProto, int8: bool = True) -> None:
    """Store large fp32 initialisers as int8 matrices with scales, or as fp16.

    The nodes that widen them again are folded by onnxruntime when it loads the model, so it
    calculates in fp32. Depthwise kernels and matrices that int8 would hurt become fp16.
    """
    nodes = []
    for tensor in list(model.graph.initializer):
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        if values.size < SMALL or np.abs(values).max() > 6e4:
            continue
        name = tensor.name
        dense = values.ndim == 2 or (values.ndim == 4 and values.shape[1] > 1)
        if int8 and dense and min(values.shape[:2]) > 1:
            small, scale = min(
                (rounded(values, axis) for axis in (0, 1)),
                key=lambda pair: float(np.square(pair[0] * pair[1] - values).sum()),
            )
            tensor.CopyFrom(numpy_helper.from_array(small, f"{name}.int8"))
            model.graph.initializer.append(numpy_helper.from_array(scale, f"{name}.scale"))
            nodes += [
                helper.make_node("Cast", [f"{name}.int8"], [f"{name}.wide"], to=TensorProto.FLOAT),
                helper.make_node("Mul", [f"{name}.wide", f"{name}.scale"], [name]),
            ]
        else:
            half = numpy_helper.from_array(values.astype(np.float16), f"{name}.half")
            tensor.CopyFrom(half)
            nodes.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    for node in reversed(nodes):
        model.graph.node.insert(0, node)
    del model.graph.value_info[:]


def save(
    module: nn.Module,
    example: dict[str, Tensor],
    shapes: dict[str, Any],
    path: Path,
    int8: bool,
) -> None:
    """Export with a dynamic batch, shrink, strip what only a debugger needs, write."""
    program = torch.onnx.export(
        module.eval(),
        kwargs=example,
        dynamo=True,
        input_names=list(example),
        output_names=["vectors"],
        dynamic_shapes=shapes,
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    shrink(model, int8)
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def export(
    members: Sequence[Towers],
    embeddings: Tensor,
    directions: Tensor,
    tokenizer: Tokenizer,
    folder: Path,
    int8: bool = True,
) -> None:
    """Write image.onnx, text.onnx, tokenizer.json and spec.json into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = torch.zeros(2, PICTURE_SIZE, PICTURE_SIZE, 3, dtype=torch.uint8)
    tower = PictureTower(Backbone(), [towers.head for towers in members], directions)
    save(tower, {"pixels": pixels}, {"pixels": {0: "n"}}, folder / "image.onnx", int8)
    words = {"ids": torch.ones(2, 7, dtype=torch.long), "mask": torch.ones(2, 7)}
    shapes = {"ids": {0: "n", 1: "t"}, "mask": {0: "n", 1: "t"}}
    save(TextTowers(members, embeddings, directions), words, shapes, folder / "text.onnx", int8)
    (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=False))
    spec = {
        "name": "mini",
        "kind": "dense",
        "dim": directions.shape[1],
        "pixels": {"size": PICTURE_SIZE, "resize_mode": "shortest", "interpolation": "bicubic"},
        "max_tokens": MAX_TOKENS,
        "unknown_token": UNKNOWN,
    }
    spec["revision"] = revision(folder, spec)
    (folder / "spec.json").write_text(json.dumps(spec, indent=2) + "\n")


def revision(folder: Path, spec: dict[str, object]) -> str:
    """A hash of the weights and of how they are fed."""
    digest = hashlib.sha256()
    for name in ("image.onnx", "text.onnx", "tokenizer.json"):
        digest.update((folder / name).read_bytes())
    digest.update(json.dumps(spec, sort_keys=True).encode())
    return digest.hexdigest()[:12]
