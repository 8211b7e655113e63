"""One claim of work, from the catalogue and back to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import structlog

from viewfinder.errors import ViewfinderError
from viewfinder.v1 import catalog_pb2, common_pb2
from worker.abilities import Abilities, DescribeOffer
from worker.outcomes import (
    STOPPING,
    ImageRecord,
    KeepGoing,
    WorkResult,
    deleted,
    give_back,
    indexed,
    is_to_blame,
)
from worker.payload import point_of
from worker.peers import Catalog, Index, Renditions, key_of

log = structlog.get_logger()
T = TypeVar("T")


@dataclass(frozen=True)
class BatchLimits:
    """How much one claim may take on, and for how long."""

    pictures: int = 32
    lease_s: int = 90  # of the rows; a batch that takes longer may be done twice, which is harmless
    work_s: float = 30.0  # after that, what has not been begun is given back
    idle_work_s: float = 5.0  # the same, of what is done when nothing else waits: uploads shall not
    stopping_s: float = 10.0  # the same, after SIGTERM
    insist_s: float = 8.0  # how long the catalogue may be away when a finished batch is reported


@dataclass(frozen=True)
class BatchSummary:
    """What one claim came to."""

    indexed: int = 0
    reindexed: int = 0
    refreshed: int = 0
    deleted: int = 0
    embedded_pages: int = 0  # with the document encoder
    read: int = 0
    failed: int = 0
    given_back: int = 0
    held_up: int = 0  # of those given back: by a peer that is away
    more: bool = False

    @property
    def look_again(self) -> bool:
        """More waits, and nothing speaks against doing it at once. While a peer is away, it waits
        for the catalogue's reconciler."""
        return self.more and self.held_up == 0


class IndexesPictures(Protocol):
    """See `worker.indexing.Indexer`."""

    def index(self, records: Sequence[ImageRecord], keep_going: KeepGoing) -> list[WorkResult]:
        """One result for every record."""

    def beside(self, candidate: common_pb2.EncoderSpec) -> IndexesPictures:
        """The same for another encoder, into its own collection."""


class ReadsTexts(Protocol):
    """See `worker.reading.TextReader`."""

    def read(self, records: Sequence[ImageRecord], keep_going: KeepGoing) -> list[WorkResult]:
        """One result for every record."""


class DescribesPictures(Protocol):
    """See `worker.describing.PictureDescriber`."""

    def offer(self) -> DescribeOffer:
        """How many more it takes now."""

    def take(self, records: Sequence[ImageRecord]) -> None:
        """Describe these, and report each. Returns at once."""


class StoppedWaiting(Exception):
    """A stop was asked for while there was nothing to do."""


class StopSignal:
    """Set by SIGTERM; says since when."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: float | None = None
        self._is_waiting = False

    def set(self) -> None:
        """Ask for a stop; the first time counts."""
        if self._since is None:
            self._since = self._clock()

    def on_signal(self, *_: object) -> None:
        """Ask for a stop, and end a wait in `waiting`. For signal handlers.

        Raises:
            StoppedWaiting: where the main thread waits.
        """
        self.set()
        if self._is_waiting:
            self._is_waiting = False
            raise StoppedWaiting

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """What waits here, in the main thread, need not look for the stop: a signal ends it.

        Raises:
            StoppedWaiting: a signal came, or had come before.
        """
        self._is_waiting = True
        try:
            if self.is_set:
                raise StoppedWaiting
            yield
        finally:
            self._is_waiting = False

    @property
    def is_set(self) -> bool:
        """Whether a stop was asked for."""
        return self._since is not None

    def elapsed_s(self) -> float:
        """Seconds since the stop was asked for, 0 before that."""
        return 0.0 if self._since is None else self._clock() - self._since


class BatchRunner:
    """Does one claim at a time. Repeating a claim is safe: every step gives the same again."""

    def __init__(
        self,
        catalog: Catalog,
        abilities: Callable[[], Abilities],
        indexer: IndexesPictures,
        reader: ReadsTexts,
        index: Index,
        renditions: Renditions,
        stop: StopSignal,
        limits: BatchLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        describer: DescribesPictures | None = None,
    ) -> None:
        self._catalog = catalog
        self._abilities = abilities
        self._indexer = indexer
        self._reader = reader
        self._index = index
        self._renditions = renditions
        self._describer = describer
        self._stop = stop
        self._limits = limits or BatchLimits()
        self._clock = clock
        self._sleep = sleep

    def run(self, claim_id: str) -> BatchSummary:
        """Claim, work, report.

        Raises:
            ServiceUnavailable, DeadlineExceeded: the catalogue is away. What was claimed comes
                back with the same claim, or when its lease runs out.
        """
        limits = self._limits
        started_s = self._clock()
        abilities = self._abilities()
        if self._describer is not None:
            abilities = replace(abilities, describer=self._describer.offer())
        claim = self._catalog.claim(claim_id, limits.pictures, limits.lease_s, abilities)
        if self._describer is not None:
            self._describer.take(claim.to_describe)

        def keep_going() -> bool:
            return (
                self._clock() - started_s < limits.work_s
                and self._stop.elapsed_s() < limits.stopping_s
            )

        def keep_idling() -> bool:
            return not self._stop.is_set and self._clock() - started_s < limits.idle_work_s

        removed = self._remove(list(claim.to_delete))
        refreshed = self._refresh(claim.to_refresh)
        indexed_ = self._indexer.index(claim.to_index, keep_going)
        moved = self._embed_beside(claim.reindex, keep_going)
        pages = self._embed_beside(claim.documents, keep_idling)
        read = self._reader.read(claim.to_read, keep_idling)
        switched, dropped = self._switch(claim), self._drop(claim)
        results = [*removed, *refreshed, *indexed_, *moved, *pages, *read]
        if results or switched is not None or dropped is not None:
            gone = self._insist(lambda: self._catalog.report(claim_id, results, switched, dropped))
            if gone:
                self._insist(lambda: self._index.delete(gone))
        return BatchSummary(
            indexed=_count(indexed_, WorkResult.OUTCOME_INDEXED),
            reindexed=_count(moved, WorkResult.OUTCOME_INDEXED),
            embedded_pages=_count(pages, WorkResult.OUTCOME_INDEXED),
            read=_count(read, WorkResult.OUTCOME_READ),
            refreshed=_count(refreshed, WorkResult.OUTCOME_INDEXED),
            deleted=_count(removed, WorkResult.OUTCOME_DELETED),
            failed=_count(results, WorkResult.OUTCOME_FAILED),
            given_back=_count(results, WorkResult.OUTCOME_RETRY),
            held_up=sum(
                result.outcome == WorkResult.OUTCOME_RETRY and result.reason != STOPPING
                for result in results
            ),
            more=claim.more,
        )

    def _embed_beside(
        self, work: catalog_pb2.ReindexWork, keep_going: KeepGoing
    ) -> list[WorkResult]:
        if not work.images:
            return []
        results = self._indexer.beside(work.encoder).index(work.images, keep_going)
        for result in results:
            result.encoder = key_of(work.encoder)
        return results

    def _switch(self, claim: catalog_pb2.ClaimWorkResponse) -> common_pb2.EncoderSpec | None:
        """The encoder that answers now; None where nothing was to be switched, or could be."""
        if not claim.HasField("switch_to"):
            return None
        try:
            self._index.switch(claim.switch_to)
        except ViewfinderError as error:
            log.warning("the index is not switched yet", reason=error.message)
            return None
        log.info("the index is switched", encoder=key_of(claim.switch_to))
        return claim.switch_to

    def _drop(self, claim: catalog_pb2.ClaimWorkResponse) -> common_pb2.EncoderSpec | None:
        """The encoder whose vectors are gone now; None where none were to go, or could."""
        if not claim.HasField("drop"):
            return None
        try:
            self._index.drop(claim.drop)
        except ViewfinderError as error:
            log.warning("the vectors of an encoder are not dropped yet", reason=error.message)
            return None
        log.info("the vectors of a former encoder are dropped", encoder=key_of(claim.drop))
        return claim.drop

    def _remove(self, ids: list[str]) -> list[WorkResult]:
        if not ids:
            return []
        try:
            self._index.delete(ids)
            self._renditions.drop(ids)
        except ViewfinderError as error:
            log.warning("deleting is put off", reason=error.message, pictures=len(ids))
            return give_back(ids, error.message)
        return deleted(ids)

    def _refresh(self, records: Sequence[ImageRecord]) -> list[WorkResult]:
        if not records:
            return []
        points = [point_of(record) for record in records]
        try:
            self._index.set_payload(points)
        except ViewfinderError as error:
            log.warning("a change is put off", reason=error.message, pictures=len(records))
            return give_back((record.id for record in records), error.message)
        return [indexed(record) for record in records]

    def _insist(self, action: Callable[[], T]) -> T:
        """Finished work is worth a few seconds of waiting for a peer that restarts."""
        give_up_s = self._clock() + self._limits.insist_s
        delay_s = 0.2
        while True:
            try:
                return action()
            except ViewfinderError as error:
                if is_to_blame(error) or self._clock() + delay_s > give_up_s:
                    raise
            self._sleep(delay_s)
            delay_s = min(2 * delay_s, 2.0)


def _count(results: Sequence[WorkResult], outcome: int) -> int:
    return sum(result.outcome == outcome for result in results)
