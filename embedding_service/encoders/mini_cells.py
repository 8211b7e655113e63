"""What `mini` sees in each part of a picture.

Its head is not linear, but it reads features that are pooled over the picture, and those can be
pooled over any window of it instead: one run of the convolutions gives the vectors of all windows.
A cell gets the mean of the windows around it; the window of all cells gives the picture's own
vector. How well these maps point, and what else was tried: docs/evaluation.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from embedding_service.encoders.base import FloatArray, PixelArray
from embedding_service.encoders.onnx_graph import FLOAT, OnnxGraph
from embedding_service.encoders.onnx_session import make_session

WINDOWS = (1, 3)  # cells a side; at the border what is left of them
_INT64 = 7


class MiniCells:
    """The picture tower in two parts: pixels to features, and pooled features to vectors.

    Both are cut out of the model that embeds, so they are in memory twice once this is made.
    """

    def __init__(self, model: bytes, threads: int) -> None:
        graph = OnnxGraph(model)
        pixels = "pixels"
        # The features that are pooled by both a mean and a maximum, from fine to coarse.
        fine, coarse = graph.inputs_of("ReduceMax")
        (mean,), (peak,) = (graph.outputs_from(f"Reduce{how}", coarse) for how in ("Mean", "Max"))
        (middle,) = graph.outputs_from("Concat", graph.outputs_from("ReduceMean", fine)[0])
        (count,) = graph.outputs_from("Shape", pixels)
        self._names = (mean, peak, middle, count)
        self._features = make_session(graph.between({pixels: 0}, [fine, coarse]), threads)
        inputs = {mean: FLOAT, peak: FLOAT, middle: FLOAT, count: _INT64}
        self._head = make_session(graph.between(inputs, ["vectors"]), threads)

    def embed(self, picture: PixelArray, windows: Sequence[int] = WINDOWS) -> FloatArray:
        """uint8 [size, size, 3] to float32 [rows, columns, dim], a vector for each cell.

        Not of length 1: a cell whose windows disagree about what it shows has a shorter one.
        """
        features = self._features_of(picture)
        vectors = [self._window_vectors(features, side // 2) for side in windows]
        return np.asarray(np.mean(vectors, axis=0), np.float32)

    def _features_of(self, picture: PixelArray) -> tuple[FloatArray, FloatArray]:
        """Fine [channels, 16, 16] and coarse [channels, 8, 8] features of a picture."""
        fine, coarse = self._features.run(None, {"pixels": picture[None]})
        return fine[0], coarse[0]

    def _window_vectors(self, features: tuple[FloatArray, FloatArray], reach: int) -> FloatArray:
        """Unit vectors [rows, columns, dim] of what is at most `reach` cells away from each."""
        fine, coarse = features
        rows, columns = coarse.shape[1:]
        finer = fine.shape[1] // rows
        pooled: list[FloatArray] = []
        for row, column in np.ndindex(rows, columns):
            top, bottom = max(0, row - reach), min(rows, row + reach + 1)
            left, right = max(0, column - reach), min(columns, column + reach + 1)
            near = coarse[:, top:bottom, left:right]
            finely = fine[:, top * finer : bottom * finer, left * finer : right * finer]
            parts = (near.mean((1, 2)), near.max((1, 2)), finely.mean((1, 2)), finely.max((1, 2)))
            pooled.append(np.concatenate(parts))
        mean, peak, middle = np.split(np.stack(pooled), (len(coarse), 2 * len(coarse)), 1)
        count = np.array([rows * columns], np.int64)
        values = dict(zip(self._names, (mean, peak, middle, count), strict=True))
        vectors: FloatArray = self._head.run(None, values)[0]
        return vectors.reshape(rows, columns, -1)
