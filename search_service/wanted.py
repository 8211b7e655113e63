"""What one search is asked for, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, get_args
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from search_service.mode import MODES, NEEDED, Mode
from viewfinder.calibration import QueryKind
from viewfinder.errors import ImageNotFound, InvalidRequest

MAX_TOP_K = 100
MAX_EXAMPLES = 16
MAX_FACETS = 8
MAX_WEIGHT = 100.0
LEAST_COLLAPSE = 0.5

Sort: TypeAlias = Literal["relevance", "newest", "oldest"]
SORTS: tuple[Sort, ...] = get_args(Sort)


@dataclass(frozen=True)
class ByText:
    """Pictures that fit this text; `mode` says whether words known of them count too."""

    text: str
    mode: Mode = "auto"


@dataclass(frozen=True)
class ByPicture:
    """Pictures that look like this one; uint8 [height, width, 3]."""

    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class BySimilar:
    """Pictures that look like this one of the index, itself left out."""

    image_id: str

    @property
    def id(self) -> UUID:
        """Raises ImageNotFound when this cannot be one."""
        try:
            return UUID(self.image_id)
        except ValueError:
            raise ImageNotFound(image_id=self.image_id[:100]) from None


Query: TypeAlias = ByText | ByPicture | BySimilar


@dataclass(frozen=True)
class Example:
    """Another part of the query; `weight` below 0: away from it."""

    what: ByText | BySimilar
    weight: float


@dataclass(frozen=True)
class Wanted:
    """A search. `score_threshold` and `collapse` are cosines, `min_relevance` is a probability;
    0 is off; `exact`: without the graph; `group_by` "none": not even where it is the rule; see
    search.proto."""

    query: Query
    top_k: int = 10
    score_threshold: float = 0.0
    min_relevance: float = 0.0
    filters: Mapping[str, object] = field(default_factory=dict)
    weight: float = 1.0
    also: tuple[Example, ...] = ()
    facets: tuple[str, ...] = ()
    group_by: str = ""
    collapse: float = 0.0
    cursor: str = ""
    sort: Sort = "relevance"
    exact: bool = False

    @property
    def kind(self) -> QueryKind:
        """What its cosines are like: those of pictures as soon as it asks for what looks like one,
        since they are higher than those of words."""
        toward = [self.query, *(example.what for example in self.also if example.weight > 0)]
        return "text" if all(isinstance(part, ByText) for part in toward) else "picture"

    @property
    def mode(self) -> Mode:
        """What counts beside the look; nothing where a picture is looked for."""
        return self.query.mode if isinstance(self.query, ByText) else "visual"

    @property
    def folds(self) -> bool:
        """Whether several pictures can make one hit."""
        return bool(self.group_by or self.collapse)

    @property
    def has_least(self) -> bool:
        """Whether it says how well a hit must fit."""
        return self.min_relevance > 0 or self.score_threshold > 0


def as_meant(wanted: Wanted) -> Wanted:
    """With what is left open filled in: documents are told once each unless that is refused."""
    if wanted.group_by == "none":
        return replace(wanted, group_by="")
    if wanted.mode == "document" and not wanted.group_by:
        return replace(wanted, group_by="document")
    return wanted


def check(wanted: Wanted) -> None:
    """Raises InvalidRequest for what is beyond the bounds; filters and cursor check themselves."""
    if not 1 <= wanted.top_k <= MAX_TOP_K:
        raise InvalidRequest("top_k", str(wanted.top_k), f"1..{MAX_TOP_K}")
    _check_number("score_threshold", wanted.score_threshold, 0, 1)
    _check_number("min_relevance", wanted.min_relevance, 0, 1)
    if wanted.collapse:
        _check_number("collapse", wanted.collapse, LEAST_COLLAPSE, 1)
    if wanted.group_by not in ("", "document", "none"):
        raise InvalidRequest("group_by", repr(wanted.group_by)[:100], "document, none")
    if wanted.sort not in SORTS:
        raise InvalidRequest("sort", repr(wanted.sort)[:100], ", ".join(SORTS))
    if isinstance(wanted.query, ByText) and wanted.query.mode not in MODES:
        raise InvalidRequest("mode", repr(wanted.query.mode)[:100], ", ".join(MODES))
    if wanted.mode in NEEDED and wanted.sort != "relevance":
        raise InvalidRequest("sort", f"{wanted.sort!r} with mode={wanted.mode}", "relevance")
    if len(wanted.facets) > MAX_FACETS:
        raise InvalidRequest("facets", f"{len(wanted.facets)} keys", f"at most {MAX_FACETS}")
    if len(wanted.also) > MAX_EXAMPLES:
        raise InvalidRequest("examples", f"{len(wanted.also)} parts", f"at most {MAX_EXAMPLES}")
    _check_weight("weight", wanted.weight)
    for number, example in enumerate(wanted.also):
        _check_weight(f"examples[{number}].weight", example.weight)


def _check_number(name: str, value: float, least: float, most: float) -> None:
    if not (math.isfinite(value) and least <= value <= most):
        raise InvalidRequest(name, str(value), f"{least}..{most}")


def _check_weight(name: str, value: float) -> None:
    if not (math.isfinite(value) and 0 < abs(value) <= MAX_WEIGHT):
        raise InvalidRequest(name, str(value), f"-{MAX_WEIGHT:g}..{MAX_WEIGHT:g}, not 0")
