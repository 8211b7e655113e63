"""One page of hits: asks the index for enough, orders, folds, and says where the next begins."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID

from search_service.conditions import AnyOf
from search_service.folding import Found, document_of, folding_of, page_of
from search_service.fusion import DEPTH, Ranked, cosine, fuse
from search_service.ordering import CANDIDATES, by_score, least_by_time, place_by
from search_service.paging import MAX_DEPTH, MAX_FOLDED, Cursor, Place, tag_of
from search_service.vector_index import IndexQuery, IndexRecord, Payload, ScoredPoint
from search_service.wanted import Wanted
from viewfinder.calibration import RelevanceCurve

Find = Callable[[IndexQuery], Awaitable[list[ScoredPoint]]]


class Records(Protocol):
    """What is stored of points; see VectorIndex."""

    async def retrieve(self, ids: Sequence[UUID]) -> list[IndexRecord]:
        """Those that are there."""

    async def payloads(self, ids: Sequence[UUID]) -> dict[UUID, Payload]:
        """Of those that are there."""


_FOLD_FACTOR = 4
_MOST_FETCHED = 2 * MAX_DEPTH
_MOST_FOLDED_FETCHED = 5 * MAX_FOLDED
_PAYLOAD_WITHIN = 256
_MOST_PAGES = 500
_BY_SHOWN: Place = (0.0, 0)  # a cursor of several lists goes on by what was shown, not by place
_HAIR = 1e-6  # scores are 32-bit numbers


@dataclass(frozen=True)
class Page:
    """`last` and what follows are for the cursor; None: this is the last page."""

    hits: list[Found]
    last: Place | None = None
    seen: int = 0
    floor: float = -math.inf
    shown: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class FusedSearch:
    """How to find the best by other than the look, and to join them with those that look right.

    `pages_found`: of a document that was found are told the pages that were found with it, not all.
    `keep`: which of the joined hits may stay; None: all. `at_once`: something is likely to be found
    by other than the look, so what looks right is looked for at the same time.
    """

    find_beside: Callable[[IndexQuery], Awaitable[list[Ranked]]]
    look_weight: float = 1.0
    pages_found: bool = False
    keep: Callable[[ScoredPoint], bool] | None = None
    at_once: bool = False


async def find_page(
    wanted: Wanted,
    query: IndexQuery,
    cursor: Cursor | None,
    find: Find,
    records: Records,
    fused: FusedSearch | None = None,
    curve: RelevanceCurve | None = None,
) -> Page:
    """The `wanted.top_k` hits after the cursor. `query` says what to look for, not how many."""
    page = None
    if fused is not None and (cursor is None or cursor.shown):
        page = await _fused(wanted, query, cursor, find, fused)
        if page is not None and fused.pages_found and wanted.group_by:
            return page
    if page is None and wanted.sort == "relevance":
        page = await _by_relevance(wanted, query, cursor, find)
    elif page is None:
        page = await _by_time(wanted, query, cursor, find, curve)
    if wanted.group_by:
        await _add_pages(page.hits, query, find)
    elif page.hits and not page.hits[0].point.payload:
        await _add_payloads(page.hits, query, records)
    return page


async def _by_relevance(
    wanted: Wanted, query: IndexQuery, cursor: Cursor | None, find: Find
) -> Page:
    folds = wanted.folds
    most = _MOST_FOLDED_FETCHED if folds else _MOST_FETCHED
    seen = cursor.seen if cursor is not None else 0
    # One more than wanted tells whether there is a next page.
    limit = seen + (wanted.top_k * _FOLD_FACTOR if folds else wanted.top_k) + 1
    while True:
        limit = min(limit, most)
        asked = replace(
            query,
            limit=limit,
            with_payload=bool(wanted.group_by) or limit <= _PAYLOAD_WITHIN,
            with_vectors=wanted.collapse > 0,
        )
        hits = await find(asked)
        hits.sort(key=by_score)
        complete = len(hits) < limit or limit == most
        if not complete:
            hits = _without_torn_tie(hits)
        page, enough = _cut(wanted, hits, [by_score(hit) for hit in hits], cursor)
        if enough or complete:
            return page
        limit *= 2


async def _fused(
    wanted: Wanted, query: IndexQuery, cursor: Cursor | None, find: Find, fused: FusedSearch
) -> Page | None:
    """None where nothing was found by other than the look.

    A place in two lists shifts with every upload, so a page goes on after all that was shown.
    """
    shown = cursor.shown if cursor is not None else ()
    wide = wanted.top_k * _FOLD_FACTOR if wanted.folds else wanted.top_k
    limit = max(DEPTH, len(shown) + wide + 1)
    asked = replace(
        query,
        limit=limit,
        best=len(shown) + wide + 1,
        with_payload=bool(wanted.group_by),
        with_vectors=wanted.folds,
    )
    by_look = None
    if fused.at_once:
        beside, by_look = await asyncio.gather(fused.find_beside(asked), find(asked))
    else:
        beside = await fused.find_beside(asked)
    goes_on = cursor is not None and cursor.place == _BY_SHOWN
    if not goes_on and not any(one.hits for one in beside):
        return None
    if by_look is None:
        by_look = await find(asked)
    hits = fuse(by_look, beside, fused.look_weight)
    if fused.keep is not None:
        hits = list(filter(fused.keep, hits))
    folding, known = folding_of(wanted), frozenset(shown)
    found: list[Found] = []
    more = False
    for hit in hits:
        if known and tag_of(hit) in known:
            if folding is not None:
                folding.add(Found(hit))
            continue
        owner = folding.owner_of(hit) if folding is not None else None
        if owner is not None:
            _fold(owner, hit)
            if fused.pages_found and document_of(hit):
                owner.pages = (*owner.pages, page_of(hit))
        elif len(found) < wanted.top_k:
            found.append(Found(hit))
            if folding is not None:
                folding.add(found[-1])
        else:
            more = True
    shown += tuple(tag_of(one.point) for one in found)
    if not more or len(shown) >= MAX_FOLDED:
        return Page(found)
    return Page(found, _BY_SHOWN, len(shown), shown=shown)


def _without_torn_tie(hits: list[ScoredPoint]) -> list[ScoredPoint]:
    """Of the hits that score as the last one does, others may not have been fetched."""
    last = hits[-1].score
    whole = len(hits)
    while whole and hits[whole - 1].score == last:
        whole -= 1
    return hits[:whole] if whole < len(hits) - 1 else hits


async def _by_time(
    wanted: Wanted,
    query: IndexQuery,
    cursor: Cursor | None,
    find: Find,
    curve: RelevanceCurve | None,
) -> Page:
    limit, threshold = CANDIDATES, query.score_threshold
    if cursor is not None and cursor.floor > -math.inf:
        # The candidates of the first page, whatever was uploaded since.
        limit, threshold = 2 * CANDIDATES, max(threshold or -1.0, cursor.floor - _HAIR)
    asked = replace(query, limit=limit, score_threshold=threshold, with_vectors=wanted.collapse > 0)
    hits = await find(asked)
    floor = cursor.floor if cursor is not None else -math.inf
    if cursor is None and len(hits) == limit:
        floor = min(hit.score for hit in hits)
    if cursor is None and hits and curve is not None and not wanted.has_least:
        floor = max(floor, least_by_time(curve, max(hit.score for hit in hits)))
        hits = [hit for hit in hits if hit.score >= floor]
    place_of = place_by(wanted.sort)
    placed = sorted(((place_of(hit), hit) for hit in hits), key=lambda pair: pair[0])
    page, _ = _cut(wanted, [hit for _, hit in placed], [place for place, _ in placed], cursor)
    return replace(page, floor=floor)


def _cut(
    wanted: Wanted, hits: Sequence[ScoredPoint], places: Sequence[Place], cursor: Cursor | None
) -> tuple[Page, bool]:
    """The page out of all hits in their order, and whether it is known to be followed by more."""
    folding = folding_of(wanted)
    if folding is None:
        return _cut_plain(wanted, hits, places, cursor)
    after = cursor.place if cursor is not None else None
    known = frozenset(cursor.shown) if cursor is not None else frozenset()
    found: list[Found] = []
    last, seen, more = after, 0, False
    for position, (hit, place) in enumerate(zip(hits, places, strict=True), start=1):
        if after is not None and place <= after:
            if tag_of(hit) in known:
                folding.add(Found(hit))
            continue
        owner = folding.owner_of(hit)
        if owner is not None:
            _fold(owner, hit)
        elif len(found) < wanted.top_k:
            one = Found(hit)
            folding.add(one)
            found.append(one)
            last, seen = place, position
        else:
            more = True
    shown = (cursor.shown if cursor is not None else ()) + tuple(tag_of(one.point) for one in found)
    if not more or len(shown) >= MAX_FOLDED:
        return Page(found), False
    return Page(found, last, seen, shown=shown), more


def _fold(owner: Found, hit: ScoredPoint) -> None:
    document = document_of(hit)
    if document and document == document_of(owner.point):
        return  # told among its pages
    owner.same_ids = (*owner.same_ids, hit.id)


def _cut_plain(
    wanted: Wanted, hits: Sequence[ScoredPoint], places: Sequence[Place], cursor: Cursor | None
) -> tuple[Page, bool]:
    start = 0
    if cursor is not None:
        while start < len(places) and places[start] <= cursor.place:
            start += 1
    end = start + wanted.top_k
    found = [Found(hit) for hit in hits[start:end]]
    if len(hits) <= end or end >= MAX_DEPTH:
        return Page(found), False
    return Page(found, places[end - 1], end), True


async def _add_pages(hits: Sequence[Found], query: IndexQuery, find: Find) -> None:
    """The other pages of these documents, best first, from one more search."""
    of_document = {document_of(one.point): one for one in hits}
    of_document.pop("", None)
    if not of_document:
        return
    condition = AnyOf("document", tuple(of_document))
    asked = replace(
        query, limit=_MOST_PAGES, conditions=(*query.conditions, condition), with_vectors=False
    )
    for page in sorted(await find(asked), key=by_score):
        owner = of_document.get(document_of(page))
        if owner is not None and page.id != owner.point.id:
            owner.pages = (*owner.pages, page_of(page))


async def _add_payloads(hits: list[Found], query: IndexQuery, records: Records) -> None:
    """Deep pages, and those by words too, are found without payloads, by words alone also without
    cosines. What was deleted meanwhile is left out."""
    ids = [one.point.id for one in hits]
    scores = {one.point.id: one.point.score for one in hits}
    if any(map(math.isnan, scores.values())):
        known = await records.retrieve(ids)
        payloads = {record.id: record.payload for record in known}
        for record in known:
            if math.isnan(scores[record.id]):
                scores[record.id] = cosine(record.vector, query.vector)
    else:
        payloads = await records.payloads(ids)
    hits[:] = [
        replace(one, point=one.point._replace(score=scores[which], payload=payloads[which]))
        for which, one in zip(ids, hits, strict=True)
        if which in payloads
    ]
