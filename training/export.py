"""Writes the trained towers as ONNX, small: fp16 weights, int8 word vectors."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from torch import Tensor, nn

from training.backbone import FEATURE_CHANNELS, PICTURE_SIZE, Backbone
from training.picture_head import PictureHead
from training.text_tower import MAX_TOKENS, UNKNOWN, TextTower

HALF_FROM = 1024  # initialisers with fewer numbers stay fp32: nothing to gain


class PictureTower(nn.Module):
    """uint8 pixels [n, 224, 224, 3] to unit vectors [n, dim]."""

    def __init__(self, backbone: Backbone, head: PictureHead) -> None:
        super().__init__()
        self.backbone = backbone
        self.last = nn.Conv2d(backbone.head_weight.shape[1], FEATURE_CHANNELS, 1)
        self.last.weight = nn.Parameter(backbone.head_weight[:, :, None, None].clone())
        self.last.bias = nn.Parameter(backbone.head_bias.clone())
        self.classes = nn.Linear(FEATURE_CHANNELS, len(backbone.class_bias))
        self.classes.weight = nn.Parameter(backbone.class_weight.clone())
        self.classes.bias = nn.Parameter(backbone.class_bias.clone())
        self.head = head

    def forward(self, pixels: Tensor) -> Tensor:
        """See the class."""
        grid, middle = self.backbone(pixels)
        grid = nn.functional.relu6(self.last(grid))
        mean = grid.mean((2, 3))
        features = torch.cat([mean, grid.amax((2, 3)), middle], 1)
        return self.head(features, self.classes(mean))


class QuantisedTextTower(nn.Module):
    """The text tower with int8 word vectors, one scale a word; ends in unit vectors."""

    def __init__(self, text: TextTower) -> None:
        super().__init__()
        self.text = text
        table = text.embedding.weight.detach()
        scales = table.abs().amax(1, keepdim=True).clamp(min=1e-6) / 127
        self.register_buffer("table", torch.round(table / scales).to(torch.int8))
        self.register_buffer("scales", scales)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """ids int64 [n, t], mask float32 [n, t] -> [n, dim]."""
        words = self.table[ids].float() * self.scales[ids]
        return nn.functional.normalize(self.text.read(words, mask), dim=1)


def halve(model: onnx.ModelProto) -> None:
    """Store large fp32 initialisers as fp16 with a Cast, which onnxruntime folds when loading."""
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        if values.size < HALF_FROM or np.abs(values).max() > 6e4:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)
    del model.graph.value_info[:]


def save(
    module: nn.Module, example: dict[str, Tensor], shapes: dict[str, object], path: Path
) -> None:
    """Export with a dynamic batch, halve, strip what only a debugger needs, write."""
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
    halve(model)
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def export(head: PictureHead, text: TextTower, tokenizer: Tokenizer, folder: Path) -> None:
    """Write image.onnx, text.onnx, tokenizer.json and spec.json into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = torch.zeros(2, PICTURE_SIZE, PICTURE_SIZE, 3, dtype=torch.uint8)
    tower = PictureTower(Backbone(), head)
    save(tower, {"pixels": pixels}, {"pixels": {0: "n"}}, folder / "image.onnx")
    words = {"ids": torch.ones(2, 7, dtype=torch.long), "mask": torch.ones(2, 7)}
    shapes = {"ids": {0: "n", 1: "t"}, "mask": {0: "n", 1: "t"}}
    save(QuantisedTextTower(text), words, shapes, folder / "text.onnx")
    (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=False))
    spec = {
        "name": "mini",
        "kind": "dense",
        "dim": text.out.out_features,
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
