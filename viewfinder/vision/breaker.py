"""Leaves a server alone for a while that failed again and again (M. Nygard, "Release It!": circuit
breaker), so that nobody waits for what will not come.

The libraries for this know calls, not streams that succeed with their first word and can be left.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from viewfinder.errors import ViewfinderError, VisionModelUnavailable

_TOLERATED_FAULTS = 5  # in a row
_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 60.0


class Breaker:
    """After some faults in a row calls are refused for a while; then one is let through to try.
    Every call that is admitted ends with `succeeded`, `failed` or `left`."""

    def __init__(
        self, model: str, server: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._model = model
        self._server = server
        self._clock = clock
        self._faults = 0
        self._reason = ""
        self._closed_until = 0.0
        self._is_tried = False

    def admit(self) -> None:
        """Raises VisionModelUnavailable while the server is left alone."""
        if self._faults < _TOLERATED_FAULTS:
            return
        pause_s = self._closed_until - self._clock()
        if pause_s <= 0 and not self._is_tried:
            self._is_tried = True
            return
        raise VisionModelUnavailable(
            model=self._model,
            server=self._server,
            reason=f"it failed {self._faults} times, last: {self._reason}."
            f" It is left alone for {max(1.0, pause_s):.0f} s",
        )

    def succeeded(self) -> None:
        """It answered, perhaps with an error that is not its fault."""
        self._faults, self._is_tried = 0, False

    def failed(self, error: ViewfinderError) -> None:
        """It did not."""
        self._faults += 1
        self._is_tried = False
        self._reason = str(error.field_values().get("reason") or error.message)
        beyond = self._faults - _TOLERATED_FAULTS
        if beyond >= 0:
            pause_s = min(_PAUSE_S * 2 ** min(beyond, 10), _LONGEST_PAUSE_S)
            self._closed_until = self._clock() + pause_s

    def left(self) -> None:
        """Whoever asked did not wait for the end."""
        self._is_tried = False
