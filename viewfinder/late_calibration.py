"""How sure it is that a page fits, by late interaction: MaxSim as a probability.

MaxSim is a sum over the tokens of a query, so it is taken per token (a mean of cosines) before it
goes through a logistic curve, fitted on pages of which it is known whether they fit (Platt 1999,
see calibration.py). A query's own background is not known here: it would take the rows of many
pages. So one cut-off means less the same for every query than it does for vectors.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Final

from viewfinder.calibration import BrokenCalibration, RelevanceCurve

FORMAT: Final = "late 1"


@dataclass(frozen=True)
class LateCalibration:
    """probability = 1 / (1 + exp(-(slope * MaxSim per token + intercept))); the slope is above 0.

    `revision` is what it was fitted for, `fitted_on` says on what, for people; `base_rate` is as in
    Calibration.
    """

    encoder: str
    revision: str
    base_rate: float
    slope: float
    intercept: float
    fitted_on: str = ""

    @cached_property
    def id(self) -> str:
        """Another one for other content."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    @cached_property
    def curve(self) -> RelevanceCurve:
        """From MaxSim per token of the query to probability; the same for every query."""
        return RelevanceCurve(0.0, 1.0, self.slope, self.intercept)

    def checked(self) -> LateCalibration:
        """Itself. Raises BrokenCalibration when its numbers make no sense."""
        if not all(map(math.isfinite, (self.base_rate, self.slope, self.intercept))):
            raise BrokenCalibration("it holds what is not a number")
        if not 0 < self.base_rate < 1 or self.slope <= 0:
            raise BrokenCalibration("its base rate is not within 0..1, or its slope not above 0")
        return self

    def to_json(self) -> str:
        """The text of calibration.json."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False) + "\n"

    @staticmethod
    def from_json(text: str) -> LateCalibration:
        """Raises BrokenCalibration when this is none that this version reads."""
        try:
            data = json.loads(text)
            is_ours = data["format"] == FORMAT
            found = LateCalibration(
                encoder=str(data["encoder"]),
                revision=str(data["revision"]),
                base_rate=float(data["base_rate"]),
                slope=float(data["slope"]),
                intercept=float(data["intercept"]),
                fitted_on=str(data["fitted_on"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise BrokenCalibration(f"it is damaged ({error!r})") from error
        if not is_ours:
            raise BrokenCalibration(f"it has format {data['format']}, not {FORMAT}")
        return found.checked()
