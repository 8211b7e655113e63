"""A synthetic collection, straight into the index of a data folder on which nothing runs."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.synthetic import Recipe, SyntheticCollection
from bench.synthetic_encoder import MakeEncoder, encoder_of, index_spec
from search_service.bulk import BulkLoader
from search_service.encoder_binding import EncoderBinding, EncoderSpec
from search_service.engine_options import EngineOptions
from search_service.vector_index import IndexPoint
from search_service.words import Bm25Words

NOTE = "simulated.json"
"""The file in a data folder that names the recipe of its points."""
_POLL_S = 0.2


class CannotSimulate(Exception):
    """The data folder is not one to fill; the text says why, in one line."""


@dataclass(frozen=True)
class Simulated:
    """What it cost."""

    points: int
    encoder: EncoderSpec
    loading_s: float
    building_s: float
    graph: bool


@dataclass(frozen=True)
class Listener:
    """Is told how far it is: points loaded so far; seconds that the graph is being built for."""

    loaded: Callable[[int], None]
    building: Callable[[float], None]


def simulate(
    data_dir: Path,
    recipe: Recipe,
    options: EngineOptions,
    listener: Listener,
    *,
    graph: bool,
    make_encoder: MakeEncoder = encoder_of,
) -> Simulated:
    """Fill the index of `data_dir`, and build its graph when `graph` says so.

    Interrupted, it can be called again with the same recipe: the same points get the same ids.

    Raises:
        CannotSimulate: there are pictures, or points of something else.
        EncoderProblem: no encoder makes vectors of this length.
        IndexUnusable: a service runs on the index.
    """
    _refuse_pictures(data_dir)
    encoder = make_encoder(recipe.dim)
    spec = index_spec(encoder)
    collection = SyntheticCollection(recipe, encoder.embed_texts)
    index_dir = data_dir / "index"
    began = time.perf_counter()
    with BulkLoader(index_dir, spec, options) as loader:
        if loader.count():
            _refuse_strangers(data_dir, recipe)
        _write_note(data_dir, recipe)
        reader, done = Bm25Words(), 0
        for batch in collection.batches():
            points = [
                IndexPoint(
                    point.id,
                    point.payload,
                    reader.of_document(point.text) if recipe.words else None,
                )
                for point in batch.points
            ]
            loader.add(points, batch.vectors)
            done += len(points)
            listener.loaded(done)
        total = loader.count()
    loaded = time.perf_counter()
    if graph:
        _build(index_dir, options, listener)
    return Simulated(
        points=total,
        encoder=spec,
        loading_s=loaded - began,
        building_s=time.perf_counter() - loaded if graph else 0.0,
        graph=graph,
    )


def read_note(data_dir: Path) -> Recipe | None:
    """The recipe that this data folder was filled by, None when it was not."""
    try:
        stored: dict[str, Any] = json.loads((data_dir / NOTE).read_text())
        return Recipe(**{"words": False, **stored})  # in old ones it is not said
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise CannotSimulate(f"{data_dir / NOTE} cannot be read ({error})") from error


def encoder_name(data_dir: Path) -> str:
    """Of the encoder that a simulated data folder's vectors were made by; empty for others."""
    spec = EncoderBinding(data_dir / "index" / "encoder.json").spec
    return spec.name if spec is not None and read_note(data_dir) is not None else ""


def build(index_dir: Path, options: EngineOptions) -> None:
    """Build the graph in this process, which can do nothing else meanwhile."""
    spec = EncoderBinding(index_dir / "encoder.json").spec
    if spec is None:
        raise CannotSimulate(f"{index_dir} has met no encoder")
    with BulkLoader(index_dir, spec, options) as loader:
        loader.build()


def _build(index_dir: Path, options: EngineOptions, listener: Listener) -> None:
    """In a child: the engine holds the GIL to the end, and nobody could say how long it takes."""
    command = [sys.executable, "-P", "-m", "bench.simulate", str(index_dir)]
    began = time.perf_counter()
    with subprocess.Popen(
        [*command, json.dumps(asdict(options))], stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            while child.poll() is None:
                listener.building(time.perf_counter() - began)
                time.sleep(_POLL_S)
        except BaseException:
            child.kill()
            raise
        said = child.stderr.read() if child.stderr is not None else ""
    if child.returncode != 0:
        last = said.strip().rpartition("\n")[2]
        raise CannotSimulate(f"the graph was not built: {last or child.returncode}")


def _refuse_pictures(data_dir: Path) -> None:
    file = data_dir / "catalogue" / "catalogue.sqlite"
    if not file.exists():
        return
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as catalogue:
            pictures = catalogue.execute("SELECT count(*) FROM images").fetchone()[0]
    except sqlite3.OperationalError:  # killed before its first migration
        return
    if pictures:
        raise CannotSimulate(
            f"{data_dir} holds {pictures:,} pictures; made-up ones among them would be found and"
            " could not be told apart. Give another --data-dir"
        )


def _refuse_strangers(data_dir: Path, recipe: Recipe) -> None:
    earlier = read_note(data_dir)
    if earlier is None:
        raise CannotSimulate(f"{data_dir} holds an index already. Give another --data-dir")
    if earlier != recipe:
        raise CannotSimulate(
            f"{data_dir} was filled with {earlier}, which is not what is wanted now."
            " Give another --data-dir, or remove it"
        )


def _write_note(data_dir: Path, recipe: Recipe) -> None:
    (data_dir / NOTE).write_text(json.dumps(asdict(recipe), indent=1) + "\n")


if __name__ == "__main__":
    build(Path(sys.argv[1]), EngineOptions(**json.loads(sys.argv[2])))
