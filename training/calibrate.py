"""Fits the calibration of `mini` and writes it beside the model: `python -m training.calibrate`.

Text queries are fitted on captions and words of Flickr8k dev, which the encoder was not trained on.
Caltech-101's labels were, so of it only pictures are queries, and their fit is a little sure of
itself. The background is of training photos and Caltech-101. Names of ImageNet are only judged on.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.calibrate import folds_of, read_material
from bench.calibration_fit import fit
from bench.calibration_queries import Judgements, Split
from bench.calibration_table import figures, show, worth
from bench.figures import write_json
from bench.retrieval import embed_pictures, embed_texts
from bench.retrieval_dataset import Dataset
from embedding_service.calibration_file import write_calibration
from embedding_service.encoders.base import FloatArray
from embedding_service.encoders.mini import MiniEncoder
from training.data import Labelled, flickr, imagenet_names
from viewfinder.calibration import FILE_NAME
from viewfinder.pixels import PixelPool

PACKAGED = Path(__file__).parents[1] / "embedding_service" / "encoders" / "mini_model"
SCENES = 500
"""Training photos in the background, so that it has as many scenes as Caltech-101 has things."""


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.calibrate", description=__doc__)
    data_folder = os.environ.get("VIEWFINDER_TRAINING_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=Path(data_folder), help="default %(default)s")
    parser.add_argument("--out", type=Path, default=PACKAGED / FILE_NAME)
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    data: Path = arguments.data

    encoder, console = MiniEncoder(), Console()
    with PixelPool() as pool:

        def embed(pictures: list[Path]) -> FloatArray:
            found = embed_pictures(Dataset(tuple(pictures), ()), [encoder], pool, console)
            return found.by_encoder[0]

        captioned = read_material(data / "flickr8k" / "dev.jsonl", encoder, pool, console)
        labelled = read_material(data / "caltech101", encoder, pool, console)
        photos = embed(flickr(data, "train").pictures[:SCENES])
        names = imagenet_names(data)
        named = _named(encoder, names, embed(names.pictures))

    splits = [*captioned.splits, *(one for one in labelled.splits if _is_of_pictures(one))]
    folds = [split.folds for split in splits]
    about = "Flickr8k and Caltech-101"
    pictures = folds_of([captioned, labelled])
    calibration = fit("mini", encoder.spec.revision, pictures, folds, about, photos)
    write_calibration(arguments.out, calibration)

    held_out = [split.held_out for split in (*captioned.splits, *labelled.splits)]
    found = worth(calibration, folds, held_out + named)
    show(console, calibration, found)
    console.print(f"{arguments.out}: text {calibration.text}, picture {calibration.picture}")
    if arguments.json is not None:
        write_json(figures(calibration, found), arguments.json)


def _is_of_pictures(split: Split) -> bool:
    return split.held_out.kind == "picture"


def _named(encoder: MiniEncoder, names: Labelled, pictures: FloatArray) -> list[Judgements]:
    """One picture a name; no other name fits it."""
    fits = np.array([[a == b for b in names.labels] for a in names.labels], np.int8)
    asked = {"names": "{}", "a photo of a name": "a photo of a {}"}
    return [
        Judgements(
            f"imagenet: {title}",
            "text",
            embed_texts(encoder, [form.format(label) for label in names.labels]),
            pictures,
            fits,
        )
        for title, form in asked.items()
    ]


if __name__ == "__main__":
    main()
