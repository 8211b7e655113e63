"""In which order people read pieces of text that stand on a page."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

Box = tuple[float, float, float, float]  # left, top, right, bottom

_SAME_ROW = 0.5  # of the lower one's height that two pieces of a row have in common
_PROSE = 10.0  # times its height is a line of a column; what is shorter are cells of a table
_COLUMN_ROWS = 2


def rows_of(boxes: Sequence[Box]) -> list[list[int]]:
    """Positions in `boxes`, a row a list, from the left.

    Rows go from the top. Where prose stands in columns, one is read to its end before the next; a
    table has columns too, but short ones, and is read across.
    """
    return _ordered(boxes, list(range(len(boxes))))


def _ordered(boxes: Sequence[Box], members: list[int]) -> list[list[int]]:
    rows = _rows(boxes, members)
    if len(rows) < _COLUMN_ROWS or all(len(row) == 1 for row in rows):
        return rows
    columns = _groups(boxes, members, axis=0)
    if len(columns) > 1 and all(_is_prose(boxes, column) for column in columns):
        return [row for column in columns for row in _ordered(boxes, column)]
    # Something stands across: it may stand over columns, or under them.
    parts = _groups(boxes, members, axis=1)
    if len(parts) < 2:
        return rows
    gaps = [
        min(boxes[i][1] for i in after) - max(boxes[i][3] for i in before)
        for before, after in pairwise(parts)
    ]
    cut = gaps.index(max(gaps)) + 1
    upper = [i for part in parts[:cut] for i in part]
    lower = [i for part in parts[cut:] for i in part]
    return [*_ordered(boxes, upper), *_ordered(boxes, lower)]


def _rows(boxes: Sequence[Box], members: Sequence[int]) -> list[list[int]]:
    rows: list[list[int]] = []
    for i in sorted(members, key=lambda i: boxes[i][1] + boxes[i][3]):
        if rows and _are_side_by_side(boxes[rows[-1][-1]], boxes[i]):
            rows[-1].append(i)
        else:
            rows.append([i])
    return [sorted(row, key=lambda i: boxes[i][0]) for row in rows]


def _are_side_by_side(one: Box, other: Box) -> bool:
    shared = min(one[3], other[3]) - max(one[1], other[1])
    lower = min(one[3] - one[1], other[3] - other[1])
    return shared > _SAME_ROW * max(lower, 1e-9)


def _groups(boxes: Sequence[Box], members: Sequence[int], axis: int) -> list[list[int]]:
    """Members with empty space between their groups, along x (0) or y (1)."""
    groups: list[list[int]] = []
    reach = float("-inf")
    for i in sorted(members, key=lambda i: boxes[i][axis]):
        if boxes[i][axis] >= reach or not groups:
            groups.append([])
        groups[-1].append(i)
        reach = max(reach, boxes[i][axis + 2])
    return groups


def _is_prose(boxes: Sequence[Box], column: Sequence[int]) -> bool:
    shapes = [(boxes[i][2] - boxes[i][0]) / max(1e-9, boxes[i][3] - boxes[i][1]) for i in column]
    return len(_rows(boxes, column)) >= _COLUMN_ROWS and median(shapes) >= _PROSE
