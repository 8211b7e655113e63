"""What can be done for pictures and pages beside embedding them with the index's encoder."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from viewfinder.errors import ViewfinderError
from viewfinder.v1 import common_pb2

log = structlog.get_logger()

_KNOWN_S = 20.0
_AWAY_S = 2.0


@dataclass(frozen=True)
class DescribeOffer:
    """Whoever has a vision model has these `in_hand`, and takes `room` more for `lease_s`."""

    name: str
    room: int
    lease_s: int
    in_hand: tuple[str, ...] = ()


@dataclass(frozen=True)
class Abilities:
    """`reads`: texts in pictures; `document_encoder`: for pages, None where there is none;
    `describer`: of what pictures show, the same."""

    reads: bool = False
    document_encoder: common_pb2.EncoderSpec | None = None
    describer: DescribeOffer | None = None


class KnownAbilities:
    """Asks for them now and then."""

    def __init__(
        self, ask: Callable[[], Abilities], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._known = Abilities()
        self._good_until_s = clock()

    def __call__(self) -> Abilities:
        """None at all while embedding_service is away: what needs them can wait."""
        now_s = self._clock()
        if now_s >= self._good_until_s:
            try:
                self._known = self._ask()
                self._good_until_s = now_s + _KNOWN_S
            except ViewfinderError as error:
                log.debug("embedding_service is away", reason=error.message)
                self._known = Abilities()
                self._good_until_s = now_s + _AWAY_S
        return self._known
