"""How sure it is that a hit fits: probabilities of cosines, where the encoder has a calibration."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

import structlog

from search_service.encoder_binding import EncoderSpec
from search_service.vector_index import ScoredPoint, Vector
from viewfinder.calibration import Calibration, QueryKind, RelevanceCurve
from viewfinder.errors import NotCalibrated, ViewfinderError

# The engine's cosines are float32, perhaps of rounded vectors: what is near the cut is judged here.
_SLACK = 1e-4
_LET_ALONE_S = 5.0

log = structlog.get_logger()


class CalibrationSource(Protocol):
    """Knows what makes probabilities of an encoder's cosines."""

    async def calibration(self, spec: EncoderSpec) -> Calibration | None:
        """None where the encoder has none.

        Raises ServiceUnavailable and its like when the encoder cannot be asked.
        """


class Relevance:
    """Curves from cosine to probability."""

    def __init__(self, source: CalibrationSource) -> None:
        self._source = source
        self._let_alone_until = 0.0

    async def curve(
        self, spec: EncoderSpec, vector: Vector, kind: QueryKind, *, is_needed: bool
    ) -> RelevanceCurve | None:
        """For the query with this L2-normalised vector [dim]; None without calibration.

        A search that can do without goes on without when the encoder cannot be asked.

        Raises:
            NotCalibrated: it is needed, and the encoder has no calibration.
            ServiceUnavailable and its like: it is needed, and the encoder cannot be asked.
        """
        calibration = await self._calibration(spec, is_needed=is_needed)
        if calibration is not None and calibration.dim == len(vector):
            return calibration.curve(vector, kind)
        if is_needed:
            raise NotCalibrated(encoder=spec.name)
        return None

    async def _calibration(self, spec: EncoderSpec, *, is_needed: bool) -> Calibration | None:
        # An encoder that is away must not hold up searches that can do without it.
        if not is_needed and time.monotonic() < self._let_alone_until:
            return None
        try:
            return await self._source.calibration(spec)
        except ViewfinderError as error:
            if is_needed:
                raise
            self._let_alone_until = time.monotonic() + _LET_ALONE_S
            log.info("hits without relevance", encoder=spec.name, reason=error.message)
            return None


def score_cut(
    curve: RelevanceCurve | None, score_threshold: float, min_relevance: float
) -> float | None:
    """The cosine below which the index need not look; None when all may count.

    A little below what `min_relevance` asks for: `fitting` has the last word.
    """
    cuts = [score_threshold] if score_threshold > 0 else []
    if curve is not None and min_relevance > 0:
        cuts.append(curve.cosine_at(min_relevance) - _SLACK)
    # No cosine is above 1 but by rounding, and not every engine takes an infinity.
    return max(-1.0, min(1.0, max(cuts))) if cuts else None


def fitting(
    hits: Sequence[ScoredPoint], curve: RelevanceCurve | None, min_relevance: float
) -> list[ScoredPoint]:
    """Those that are as relevant as asked, in their order."""
    if curve is None or min_relevance <= 0:
        return list(hits)
    return [hit for hit in hits if curve.of(hit.score) >= min_relevance]
