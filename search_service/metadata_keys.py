"""A user's own keys: where they stand in a payload, and which of them are indexed.

Without an index a filter on such a key reads the payload of every picture. An index costs memory,
and while it is made the embedded engine answers nobody, so the settings say which keys get one.

Answers are the same with and without, whatever else stands under the key, but for two conditions
that are refused instead (see `check_kinds`): the engine compares times and numbers as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias, TypeVar, get_args

from search_service.conditions import AnyOf, Condition, Not, NumberRange, TimeRange
from search_service.filters import FILTER_KEYS, METADATA_PREFIX, KeyKind, check_key
from viewfinder.errors import InvalidRequest, UnknownFilterKey

MetadataKind: TypeAlias = Literal["text", "number", "flag", "time"]
KINDS: tuple[MetadataKind, ...] = get_args(MetadataKind)
MAX_INDEXED = 16
SETTING = "VIEWFINDER_INDEXED_METADATA"

Schema = TypeVar("Schema")

_COUNTED = ("text", "flag")


def parse_indexed(text: str) -> dict[str, MetadataKind]:
    """Kinds by name of `album, rating:number, draft:flag, shot:time`; text where none is given.

    Raises:
        ValueError: a name or a kind that cannot be, a name twice, too many.
    """
    indexed: dict[str, MetadataKind] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, _, said = part.partition(":")
        name, said = name.strip().removeprefix(METADATA_PREFIX), said.strip() or "text"
        kind = next((one for one in KINDS if one == said), None)
        if kind is None:
            raise ValueError(f"{part!r}: the kind is one of {', '.join(KINDS)}")
        try:
            check_key(METADATA_PREFIX + name)
        except UnknownFilterKey:
            raise ValueError(f"{part!r}: a name of 1..128 characters without quotes") from None
        if name in indexed:
            raise ValueError(f"{name!r} is named twice")
        indexed[name] = kind
    if len(indexed) > MAX_INDEXED:
        raise ValueError(f"{len(indexed)} keys, allowed are {MAX_INDEXED}: each takes memory")
    return indexed


def paths_of(key: str) -> list[str]:
    """Where a filter's key may stand. `metadata.a.b` is the key "a.b", or "b" inside of "a"."""
    if not key.startswith(METADATA_PREFIX):
        return [key]
    name = key.removeprefix(METADATA_PREFIX)
    whole = f'metadata."{name}"'
    parts = name.split(".")
    if len(parts) == 1 or not all(parts):
        return [whole]
    return [whole, ".".join(["metadata", *(f'"{part}"' for part in parts)])]


def missing_indexes(
    indexed: Mapping[str, MetadataKind], present: Mapping[str, object], schema: Mapping[str, Schema]
) -> dict[str, Schema]:
    """Payload indexes to make, by path, as `schema` calls the kinds. `present`: those there are.

    One of another kind is made again; one that nobody wants any more is left where it is.
    """
    wanted: dict[str, KeyKind | MetadataKind] = dict(FILTER_KEYS)
    for name, kind in indexed.items():
        wanted |= dict.fromkeys(paths_of(METADATA_PREFIX + name), kind)
    there = {_unquoted(path): kind for path, kind in present.items()}
    return {
        path: schema[kind]
        for path, kind in wanted.items()
        if _unquoted(path) not in there
        or (path not in FILTER_KEYS and there[_unquoted(path)] != schema[kind])
    }


def facet_path(key: str, indexed: Mapping[str, MetadataKind]) -> str | None:
    """Where the engine counts the values of a metadata key; None where it has no index for it."""
    paths = paths_of(key)
    if len(paths) > 1 or indexed.get(key.removeprefix(METADATA_PREFIX)) not in _COUNTED:
        return None
    return paths[0]


def check_kinds(conditions: Iterable[Condition], indexed: Mapping[str, MetadataKind]) -> None:
    """Raises InvalidRequest for times of a key of numbers, and for numbers of one of times: with
    the index of the other kind the engine would answer, wrongly."""
    for condition in conditions:
        asked = condition.condition if isinstance(condition, Not) else condition
        kind = indexed.get(asked.key.removeprefix(METADATA_PREFIX))
        if not asked.key.startswith(METADATA_PREFIX) or kind not in ("number", "time"):
            continue
        if isinstance(asked, TimeRange) and kind == "number":
            raise InvalidRequest(f"filters.{asked.key}", "times", f"numbers: see {SETTING}")
        if kind == "time" and _has_numbers(asked):
            raise InvalidRequest(f"filters.{asked.key}", "numbers", f"times: see {SETTING}")


def _has_numbers(asked: object) -> bool:
    if isinstance(asked, AnyOf):
        return any(not isinstance(value, str | bool) for value in asked.values)
    return isinstance(asked, NumberRange)


def _unquoted(path: str) -> str:
    """Engines tell paths with no more quotes than are needed."""
    return re.sub(r'"([^".]*)"', r"\1", path)
