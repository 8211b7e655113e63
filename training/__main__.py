"""Trains `mini` and writes its package data: python -m training --data ../shared/data.

Under an hour on one core. Everything is seeded: the same machine makes the same model again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import time
from pathlib import Path

import torch

from bench.mini_eval import measure, show
from training.backbone import export_backbone
from training.batches import Lessons
from training.compression import principal_directions
from training.data import caltech, flickr
from training.export import export
from training.features import extract
from training.joint import Recipe, train
from training.names import class_texts
from training.objects import ClassSpace
from training.pooling import pool
from training.text_tower import load_embeddings, load_tokenizer

PACKAGED = Path(__file__).parents[1] / "embedding_service" / "encoders" / "mini_model"
PHOTO_VIEWS = ("plain", "crop1", "crop2")
DIM = 384
LABEL_VIEWS = ("plain",)


def prepare(data: Path, cache: Path) -> Lessons:
    """Look at every training picture once, or read what was seen before."""
    cache.mkdir(parents=True, exist_ok=True)
    network = cache / "backbone.onnx"
    backbone = export_backbone(network)
    photos, labelled = flickr(data, "train"), caltech(data)
    photo_views = [
        pool(extract(network, photos.pictures, view, cache, "flickr"), backbone)
        for view in PHOTO_VIEWS
    ]
    label_views = [
        pool(extract(network, labelled.pictures, view, cache, "caltech"), backbone)
        for view in LABEL_VIEWS
    ]
    space = ClassSpace.of(backbone.class_weight, backbone.class_bias, photo_views[0].float())
    return Lessons(photo_views, photos.captions, label_views, labelled.labels, class_texts(), space)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    data = os.environ.get("VIEWFINDER_TRAINING_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=Path(data), help="default %(default)s")
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    parser.add_argument("--out", type=Path, default=PACKAGED, help="where the model goes")
    parser.add_argument("--members", type=int, default=3, help="independently trained pairs")
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    arguments = parser.parse_args()

    start = time.monotonic()
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("medium")  # bf16 products where the processor has them
    torch.use_deterministic_algorithms(True)
    lessons = prepare(arguments.data, arguments.cache)
    tokenizer, embeddings = load_tokenizer(), load_embeddings()
    members = []
    for member in range(arguments.members):
        recipe = Recipe(seed=Recipe.seed + member, steps=arguments.steps)
        members.append(train(lessons, embeddings, tokenizer, recipe))
    directions = principal_directions(members, lessons, tokenizer, DIM, Recipe.seed)
    export(members, embeddings, directions, tokenizer, arguments.out)
    minutes = (time.monotonic() - start) / 60

    figures = measure(arguments.data, arguments.out)
    show(figures)
    report = {
        "figures": dataclasses.asdict(figures),
        "recipe": dataclasses.asdict(Recipe(steps=arguments.steps)),
        "members": arguments.members,
        "minutes": round(minutes, 1),
    }
    (arguments.cache / "figures.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
