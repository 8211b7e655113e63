"""Claims that are leases, of rows that may kill or stall whoever has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

SUSPECT_AFTER = 2  # lost claims; from then on a row is claimed alone, to find who kills workers


class Leased(Protocol):
    """A row that is claimed. `due`: from when, or the end of its claim; `tries`: lost claims."""

    due: float | None
    claim_id: str | None
    tries: int


L = TypeVar("L", bound=Leased)


def lease(
    rows: Iterable[L],
    claim_id: str,
    until: float,
    now: float,
    most_tries: int,
    give_up: Callable[[L, str], None],
) -> list[L]:
    """Those of the rows that this claim gets; no one else does before `until`.

    A row that still has a claim lost it. After `most_tries` of these it is given up, with a reason.
    """
    taken: list[L] = []
    for row in rows:
        if row.claim_id is not None:
            row.claim_id = None
            row.tries += 1
        if row.tries >= most_tries:
            give_up(row, f"given up after {row.tries} workers died or stalled over it")
        elif taken and max(row.tries, taken[0].tries) >= SUSPECT_AFTER:
            row.due = now
        else:
            taken.append(row)
            row.claim_id, row.due = claim_id, until
    return taken
