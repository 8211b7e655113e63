"""Cosines as probabilities: how sure it is that a picture fits a query.

A cosine of 0.3 is much for one query and little for another. So it is measured against the
query's own background, what it would score with pictures of all sorts: mean and spread follow from
mean and covariance of a reference set of picture vectors. How many spreads a cosine lies above
that mean goes through a logistic curve, fitted on pictures of which it is known whether they fit
(Platt scaling: J. Platt, Probabilistic Outputs for Support Vector Machines, 1999).

The probability is that of a picture drawn from a set in which a share of `base_rate` fits the
query. It depends on query, picture and encoder alone, never on what else is in the index.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from dataclasses import asdict, astuple, dataclass, fields
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

FORMAT = 1
FILE_NAME = "calibration.json"

FloatArray = NDArray[np.float32]
QueryKind = Literal["text", "picture"]

_LEAST_SPREAD = 1e-4  # of unit vectors' cosines: a query that all pictures fit alike
_LARGEST_LOGIT = 700.0  # beyond that exp() is no number any more


class BrokenCalibration(ValueError):
    """This is no calibration that this version reads; the message says why."""


@dataclass(frozen=True)
class Logistic:
    """probability = 1 / (1 + exp(-(slope * z + intercept))); the slope is above 0.

    `own` says how much a query's own background counts, against `mean` and `spread` of all
    queries of the kind: 1 is the z-score proper, 0 a plain logistic curve over the cosine.
    """

    slope: float
    intercept: float
    own: float = 1.0
    mean: float = 0.0
    spread: float = 1.0

    def measured(self, mean: float, spread: float) -> tuple[float, float]:
        """What cosines are measured by, for a query with this background."""
        own = self.own
        return own * mean + (1 - own) * self.mean, spread**own * self.spread ** (1 - own)


@dataclass(frozen=True, eq=False)
class Background:
    """Mean and covariance of reference pictures' vectors.

    `mean` float32 [dim]; the covariance has `variances` [rank] along the orthonormal rows of
    `directions` float32 [rank, dim], and `rest` along every other direction.
    """

    mean: FloatArray
    directions: FloatArray
    variances: tuple[float, ...]
    rest: float

    @cached_property
    def _excess(self) -> NDArray[np.float64]:
        return np.asarray(self.variances, np.float64) - self.rest

    def of(self, query: FloatArray) -> tuple[float, float]:
        """Mean and spread of the cosines of a unit vector [dim] with such pictures."""
        along = self.directions @ query
        variance = float(np.square(along, dtype=np.float64) @ self._excess) + self.rest
        return float(self.mean @ query), math.sqrt(max(variance, _LEAST_SPREAD**2))


@dataclass(frozen=True)
class RelevanceCurve:
    """From cosine to probability, for one query; never falls where the cosine rises."""

    mean: float
    spread: float
    slope: float
    intercept: float

    def of(self, cosine: float) -> float:
        """The probability, 0..1. A cosine that is no number fits nothing."""
        logit = self.slope * (cosine - self.mean) / self.spread + self.intercept
        if math.isnan(logit):
            return 0.0
        return 1 / (1 + math.exp(-max(-_LARGEST_LOGIT, min(_LARGEST_LOGIT, logit))))

    def cosine_at(self, probability: float) -> float:
        """The cosine at which it is reached, perhaps beyond -1..1; 0 and 1 never are."""
        if probability <= 0 or probability >= 1:
            return math.copysign(math.inf, probability - 0.5)
        logit = math.log(probability) - math.log1p(-probability)
        return self.mean + self.spread * (logit - self.intercept) / self.slope


@dataclass(frozen=True, eq=False)
class Calibration:
    """What makes probabilities of an encoder's cosines.

    `revision` is that of the weights it was fitted for, `fitted_on` says on what, for people.
    """

    encoder: str
    revision: str
    base_rate: float
    background: Background
    text: Logistic
    picture: Logistic
    fitted_on: str = ""

    @cached_property
    def id(self) -> str:
        """Another one for other content."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    @property
    def dim(self) -> int:
        """Length of the vectors it is for."""
        return len(self.background.mean)

    def curve(self, query: FloatArray, kind: QueryKind) -> RelevanceCurve:
        """For the L2-normalised vector [dim] of a query."""
        logistic = self.text if kind == "text" else self.picture
        mean, spread = logistic.measured(*self.background.of(query))
        return RelevanceCurve(mean, spread, logistic.slope, logistic.intercept)

    def checked(self) -> Calibration:
        """Itself. Raises BrokenCalibration when its numbers make no sense."""
        background = self.background
        if background.mean.ndim != 1 or background.directions.shape != (
            len(background.variances),
            self.dim,
        ):
            raise BrokenCalibration("its arrays do not fit together")
        numbers = [
            self.base_rate, background.rest, *background.variances,
            *astuple(self.text), *astuple(self.picture),
        ]  # fmt: skip
        arrays = (background.mean, background.directions)
        if not (all(map(math.isfinite, numbers)) and all(np.isfinite(a).all() for a in arrays)):
            raise BrokenCalibration("it holds what is not a number")
        if not 0 < self.base_rate < 1 or min(self.text.slope, self.picture.slope) <= 0:
            raise BrokenCalibration("its base rate is not within 0..1, or a slope not above 0")
        if not all(0 <= one.own <= 1 and one.spread > 0 for one in (self.text, self.picture)):
            raise BrokenCalibration("a share is not within 0..1, or a spread not above 0")
        if min(background.rest, *background.variances, 1.0) < 0:
            raise BrokenCalibration("it holds a negative variance")
        return self

    def to_json(self) -> str:
        """The text of calibration.json; arrays in half precision, which is what `rounded` left."""
        background = self.background
        data = {
            "format": FORMAT,
            "encoder": self.encoder,
            "revision": self.revision,
            "base_rate": self.base_rate,
            "fitted_on": self.fitted_on,
            "text": asdict(self.text),
            "picture": asdict(self.picture),
            "rest": background.rest,
            "variances": list(background.variances),
            "mean": _encoded(background.mean),
            "directions": _encoded(background.directions),
        }
        return json.dumps(data, indent=1, ensure_ascii=False) + "\n"

    @staticmethod
    def from_json(text: str) -> Calibration:
        """Raises BrokenCalibration when this is no calibration.json that this version reads."""
        try:
            data = _of_this_format(json.loads(text))
            variances = tuple(float(one) for one in data["variances"])
            mean = _decoded(data["mean"])
            return Calibration(
                encoder=str(data["encoder"]),
                revision=str(data["revision"]),
                base_rate=float(data["base_rate"]),
                background=Background(
                    mean,
                    _decoded(data["directions"]).reshape(len(variances), len(mean)),
                    variances,
                    float(data["rest"]),
                ),
                text=_logistic(data["text"]),
                picture=_logistic(data["picture"]),
                fitted_on=str(data["fitted_on"]),
            ).checked()
        except BrokenCalibration:
            raise
        except (ValueError, KeyError, TypeError) as error:
            raise BrokenCalibration(f"it is damaged ({error!r})") from error


def _of_this_format(data: dict[str, Any]) -> dict[str, Any]:
    if data["format"] != FORMAT:
        raise BrokenCalibration(f"it has format {data['format']}, not {FORMAT}")
    return data


def _logistic(data: dict[str, Any]) -> Logistic:
    return Logistic(**{one.name: float(data[one.name]) for one in fields(Logistic)})


def rounded(values: NDArray[Any]) -> FloatArray:
    """To what a file can hold, so that a calibration is the same before and after."""
    return values.astype(np.float16).astype(np.float32)


def _encoded(values: FloatArray) -> str:
    return base64.b64encode(values.astype("<f2").tobytes()).decode("ascii")


def _decoded(text: str) -> FloatArray:
    return np.frombuffer(base64.b64decode(text, validate=True), "<f2").astype(np.float32)
