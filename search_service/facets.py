"""Facets: which values a key has among what meets the filters, and how often.

Keys of our own have an index in the engine, which counts all pictures, and so have a user's own
that the settings name as texts or flags. The values of others are counted among the best hits of
the query instead, and that is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from search_service.conditions import Condition
from search_service.filters import METADATA_PREFIX, check_key
from search_service.metadata_keys import MetadataKind, facet_path
from search_service.vector_index import FacetCount, IndexQuery, ScoredPoint
from viewfinder.errors import UnknownFilterKey

FACET_KEYS = ("tags", "category", "media_type", "camera", "document")
MAX_VALUES = 50
"""The most frequent of each key."""
MOST_COUNTED = 1000
"""So many of the best hits are looked at for keys without an index."""

_ALLOWED = ", ".join([*FACET_KEYS, "metadata.<name>"])


class Counted(Protocol):
    """The part of a Collection that is needed here."""

    async def facet(
        self, key: str, conditions: Sequence[Condition], limit: int
    ) -> list[FacetCount]:
        """The most frequent values of an indexed key."""


@dataclass(frozen=True)
class Facet:
    """Values of a key, the most frequent first; `among` so many best hits, 0: among all."""

    key: str
    values: tuple[FacetCount, ...]
    among: int = 0


def check_facets(keys: Iterable[str]) -> None:
    """Raises UnknownFilterKey for a key that has no values to count."""
    for key in keys:
        if key.startswith(METADATA_PREFIX):
            check_key(key)
        elif key not in FACET_KEYS:
            raise UnknownFilterKey(key=key[:200], allowed=_ALLOWED)


async def count_facets(
    keys: Sequence[str],
    query: IndexQuery,
    collection: Counted,
    find: Callable[[IndexQuery], Awaitable[list[ScoredPoint]]],
    indexed: Mapping[str, MetadataKind],
) -> list[Facet]:
    """In the order of the keys."""
    payloads: list[Mapping[str, Any]] = []
    among = 0
    paths = {
        key: facet_path(key, indexed) if key.startswith(METADATA_PREFIX) else key for key in keys
    }
    if None in paths.values():
        asked = replace(query, limit=MOST_COUNTED + 1, with_payload=True, with_vectors=False)
        hits = await find(asked)
        payloads = [hit.payload for hit in hits[:MOST_COUNTED]]
        among = MOST_COUNTED if len(hits) > MOST_COUNTED else 0
    facets = []
    for key in keys:
        path = paths[key]
        if path is None:
            facets.append(Facet(key, _count(key, payloads), among))
            continue
        counts = await collection.facet(path, query.conditions, MAX_VALUES)
        facets.append(Facet(key, tuple(one for one in counts if one.count)))
    return facets


def _count(key: str, payloads: Iterable[Mapping[str, Any]]) -> tuple[FacetCount, ...]:
    name = key.removeprefix(METADATA_PREFIX)
    # True is 1 to a dictionary, so a value is counted together with its kind.
    counts: Counter[tuple[type, str | int | float | bool]] = Counter()
    for payload in payloads:
        metadata = payload.get("metadata")
        if isinstance(metadata, Mapping):
            counts.update({(type(value), value) for value in _values(metadata, name)})
    most = sorted(counts.items(), key=lambda item: (-item[1], str(item[0][1])))[:MAX_VALUES]
    return tuple(FacetCount(value, count) for (_, value), count in most)


def _values(metadata: Mapping[str, Any], name: str) -> list[str | int | float | bool]:
    """`a.b` is the key "a.b", or "b" inside of "a", as in filters."""
    value: Any = metadata.get(name)
    if value is None and "." in name:
        value = metadata
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, str | int | float)]
