"""What a search may ask of a picture's payload: typed conditions, which each engine translates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias


@dataclass(frozen=True)
class AnyOf:
    """The field, or one of its items, equals one of these."""

    key: str
    values: tuple[str | bool | float, ...]


@dataclass(frozen=True)
class AnyMoment:
    """The field is one of these moments (RFC 3339, UTC)."""

    key: str
    moments: tuple[str, ...]


@dataclass(frozen=True)
class NumberRange:
    """The field is a number within these bounds."""

    key: str
    gte: float | None = None
    gt: float | None = None
    lte: float | None = None
    lt: float | None = None


@dataclass(frozen=True)
class TimeRange:
    """The field is a moment within these bounds (RFC 3339, UTC)."""

    key: str
    gte: str | None = None
    gt: str | None = None
    lte: str | None = None
    lt: str | None = None


@dataclass(frozen=True)
class Nearby:
    """The field is a place at most `radius_m` metres from here (degrees, WGS 84)."""

    key: str
    latitude: float
    longitude: float
    radius_m: float


@dataclass(frozen=True)
class InBox:
    """The field is a place between these parallels and meridians (degrees, WGS 84).

    `left` beyond `right`: the box crosses the antimeridian. Engines take the poles, and a box that
    ends where it begins, for empty: filters.py keeps a hair's breadth off both.
    """

    key: str
    top: float
    left: float
    bottom: float
    right: float

    def halves(self) -> tuple[InBox, ...]:
        """Boxes that do not cross the antimeridian and are this one together.

        The engine's geo index finds nothing in wide boxes that cross it.
        """
        if self.left <= self.right:
            return (self,)
        return replace(self, right=180.0), replace(self, left=-180.0)


@dataclass(frozen=True)
class Exists:
    """The field is there, and neither null nor an empty list."""

    key: str


FieldCondition: TypeAlias = AnyOf | AnyMoment | NumberRange | TimeRange | Nearby | InBox | Exists
"""What is asked of one field."""


@dataclass(frozen=True)
class Not:
    """The condition does not hold: a picture without that field meets it, too."""

    condition: FieldCondition

    @property
    def key(self) -> str:
        """The field that it is about."""
        return self.condition.key


Condition: TypeAlias = FieldCondition | Not
