"""What engines that are compared are given: vectors, categories, queries and the true nearest.

All of it lies in a folder, so that engines can be built now and asked later:

    recipe.json         what everything here was made for
    inputs/             vectors.npy [count, dim], categories.npy [count]
    queries-N/          queries.npy [N, dim]; truth.npy, filtered_truth.npy [N, TOP]: scores
    engine-NAME/        an engine and what building it took

Each of the folders is there whole or not at all.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.peers import EF_CONSTRUCT, M
from bench.query_texts import varied
from bench.synthetic import BATCH, CATEGORIES, Recipe, SyntheticCollection
from embedding_service.encoders.base import Encoder

FloatArray = NDArray[np.float32]
TOP = 10
FILTERED_CATEGORY = CATEGORIES[0]


class CannotCompare(RuntimeError):
    """Says why."""


@contextmanager
def held(folder: Path) -> Iterator[int]:
    """The folder is this process's, and whose is given the file descriptor.

    Raises:
        CannotCompare: another one works in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotCompare(f"{folder} is in use by another comparison") from None
        yield file.fileno()


@contextmanager
def filled(folder: Path) -> Iterator[Path]:
    """Where to write: what was written is in `folder` once this ends well."""
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of one that was killed
    part.mkdir(parents=True)
    yield part
    part.rename(folder)


def make_inputs(
    root: Path, recipe: Recipe, queries: int, encoder: Encoder, told: Callable[[str], None]
) -> None:
    """Make what is not there yet.

    Raises:
        CannotCompare: what is there was made for something else.
    """
    _refuse_others(root, recipe, encoder)
    if not (root / "inputs").exists():
        with filled(root / "inputs") as folder:
            _write_vectors(folder, SyntheticCollection(recipe, encoder.embed_texts), told)
    if not (root / f"queries-{queries}").exists():
        told(f"the truth of {queries:,} queries")
        with filled(root / f"queries-{queries}") as folder:
            _write_queries(folder, root, recipe.seed, queries, encoder)


def mapped_vectors(root: Path) -> FloatArray:
    """[count, dim]; opened anew each time: what stays mapped counts as this process's memory."""
    vectors: FloatArray = np.load(root / "inputs" / "vectors.npy", mmap_mode="r")
    return vectors


def categories_of(root: Path) -> NDArray[np.int16]:
    """Of each vector, its place in CATEGORIES."""
    categories: NDArray[np.int16] = np.load(root / "inputs" / "categories.npy")
    return categories


def _refuse_others(root: Path, recipe: Recipe, encoder: Encoder) -> None:
    wanted = {
        **asdict(recipe),
        "encoder": encoder.spec.name,
        "revision": encoder.spec.revision,
        "m": M,
        "ef_construct": EF_CONSTRUCT,
    }
    note = root / "recipe.json"
    if not note.exists():
        fresh = note.with_suffix(".part")
        fresh.write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8")
        fresh.rename(note)
        return
    try:
        there = json.loads(note.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CannotCompare(f"{note} cannot be read ({error})") from error
    if there != wanted:
        raise CannotCompare(
            f"{root} was made for {_said(there)}; wanted is {_said(wanted)}."
            " Give another folder, or remove it"
        )


def _said(recipe: object) -> str:
    if not isinstance(recipe, dict):
        return str(recipe)
    return ", ".join(f"{name} {value}" for name, value in recipe.items())


def _write_vectors(
    folder: Path, collection: SyntheticCollection, told: Callable[[str], None]
) -> None:
    count = collection.recipe.count
    told(f"{count:,} vectors")
    vectors = np.lib.format.open_memmap(
        folder / "vectors.npy", "w+", np.float32, (count, collection.recipe.dim)
    )
    categories = np.zeros(count, np.int16)
    done = 0
    for batch in collection.batches():
        rows = slice(done, done + len(batch.points))
        vectors[rows] = batch.vectors
        categories[rows] = [CATEGORIES.index(point.payload["category"]) for point in batch.points]
        done = rows.stop
    vectors.flush()
    np.save(folder / "categories.npy", categories)


def _write_queries(folder: Path, root: Path, seed: int, queries: int, encoder: Encoder) -> None:
    texts = varied(seed)
    asked = np.concatenate([encoder.embed_texts([next(texts)]) for _ in range(queries)])
    vectors = mapped_vectors(root)
    is_wanted = categories_of(root) == CATEGORIES.index(FILTERED_CATEGORY)
    np.save(folder / "queries.npy", asked)
    np.save(folder / "truth.npy", _truth(vectors, asked, None))
    np.save(folder / "filtered_truth.npy", _truth(vectors, asked, is_wanted))


def _truth(vectors: FloatArray, queries: FloatArray, mask: NDArray[np.bool_] | None) -> FloatArray:
    """Scores of the TOP best [queries, TOP], by brute force, a batch of vectors at a time."""
    best = np.full((len(queries), TOP), -np.inf, np.float32)
    for start in range(0, len(vectors), BATCH):
        scores = queries @ vectors[start : start + BATCH].T
        if mask is not None:
            scores[:, ~mask[start : start + BATCH]] = -np.inf
        both = np.concatenate([best, scores], axis=1)
        best = -np.sort(-np.partition(both, -TOP, axis=1)[:, -TOP:], axis=1)
    return best
