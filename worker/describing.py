"""What pictures and pages show, by a vision model: in a thread of its own, several at once.

A model takes seconds, and uploads shall not wait for it; so what is claimed is handed over here,
and reported from here, while the next batch is being indexed.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

import structlog

from viewfinder.errors import (
    DeadlineExceeded,
    Overloaded,
    ViewfinderError,
    VisionModelFailed,
    VisionModelMissing,
    VisionModelRefused,
    VisionModelUnavailable,
)
from viewfinder.vision.pictures import Description, ShownPicture, plain_picture
from viewfinder.vision.shapes import NotInShapeError
from worker.abilities import DescribeOffer
from worker.decoding import Decoder
from worker.judging import Judge
from worker.outcomes import (
    STOPPING,
    ImageRecord,
    WorkResult,
    described,
    failed,
    give_back,
    is_to_blame,
    refused,
)
from worker.peers import Catalog

log = structlog.get_logger()

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
_FIRST_INSISTING_S = 0.2
_LONGEST_INSISTING_S = 5.0
_STOPPING_S = 8.0
_OF_THE_MODEL = (
    VisionModelUnavailable,
    VisionModelMissing,
    VisionModelFailed,
    DeadlineExceeded,
    Overloaded,
)


class Vision(Protocol):
    """A model that looks; see viewfinder/vision/model.py."""

    @property
    def name(self) -> str:
        """As its server calls it."""

    async def describe(self, picture: ShownPicture) -> Description:
        """What it shows."""

    async def close(self) -> None:
        """Close all connections."""


@dataclass(frozen=True)
class DescribingLimits:
    """How much is described at once, how large pictures are sent, and how long one may take."""

    concurrency: int = 2
    max_side: int = 1024
    longest_s: float = 240.0  # whatever the model's own patience

    @property
    def in_hand(self) -> int:
        """While some are being described, as many are being prepared."""
        return 2 * self.concurrency

    @property
    def lease_s(self) -> int:
        """Each waits for one other at most, and a model may be shown another picture for each."""
        return min(3600, int(5 * self.longest_s) + 60)


class PictureDescriber:
    """`name` is kept over a restart; `wake` has the worker look for more."""

    def __init__(
        self,
        name: str,
        decoder: Decoder,
        vision: Vision,
        catalog: Catalog,
        wake: Callable[[], object],
        limits: DescribingLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._decoder = decoder
        self._vision = vision
        self._catalog = catalog
        self._wake = wake
        self._limits = limits or DescribingLimits()
        self._clock = clock
        self._judge = Judge()
        self._lock = threading.Lock()
        self._in_hand: dict[str, Future[None]] = {}
        self._faults = 0
        self._paused_until_s = 0.0
        self._pause_reason = ""
        self._is_stopping = False
        self._calls = asyncio.Semaphore(self._limits.concurrency)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="describing")
        self._thread.start()

    def offer(self) -> DescribeOffer:
        """How many more it takes now: none while the model is left alone."""
        with self._lock:
            in_hand = tuple(self._in_hand)
            rests = self._is_stopping or self._clock() < self._paused_until_s
        room = 0 if rests else max(0, self._limits.in_hand - len(in_hand))
        return DescribeOffer(self._name, room, self._limits.lease_s, in_hand)

    def take(self, records: Sequence[ImageRecord]) -> None:
        """Describe these, and report each. Returns at once."""
        with self._lock:
            for record in records:
                if record.id not in self._in_hand and not self._is_stopping:
                    self._in_hand[record.id] = asyncio.run_coroutine_threadsafe(
                        self._handle(record), self._loop
                    )

    def close(self) -> None:
        """Give back what is in hand, and end."""
        with self._lock:
            self._is_stopping = True
            in_hand = dict(self._in_hand)
        for future in in_hand.values():
            future.cancel()
        if in_hand:
            try:
                self._catalog.report(self._name, give_back(in_hand, STOPPING))
            except ViewfinderError as error:  # its next process gets them
                log.warning("pictures to describe are not given back", reason=error.message)
        closing = asyncio.run_coroutine_threadsafe(self._vision.close(), self._loop)
        try:
            closing.result(_STOPPING_S)
        except TimeoutError:
            log.warning("the vision model's connections do not close")
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOPPING_S)
        if not self._thread.is_alive():
            self._loop.close()

    # --- in the thread ---

    async def _handle(self, record: ImageRecord) -> None:
        try:
            result = await self._result(record)
            result.model = self._vision.name
            await self._report(record, result)
        finally:
            with self._lock:
                self._in_hand.pop(record.id, None)
                is_stopping = self._is_stopping
            if not is_stopping:
                self._look_for_more()

    async def _result(self, record: ImageRecord) -> WorkResult:
        jpeg = await asyncio.wrap_future(self._decoder.for_showing(record, self._limits.max_side))
        if isinstance(jpeg, ViewfinderError):
            return self._judge.verdict(record, jpeg)
        async with self._calls:
            if self._clock() < self._paused_until_s:
                return give_back([record.id], self._pause_reason)[0]
            started_s = self._clock()
            facts = {"text": record.text} if record.text else {}
            try:
                shown = await self._describe(ShownPicture(jpeg, facts))
            except VisionModelRefused as error:
                return await self._refused(record, error)
            except ViewfinderError as error:
                return self._verdict(record, error)
            self._faults = 0
            return described(record, shown, self._vision.name, self._clock() - started_s)

    async def _describe(self, picture: ShownPicture) -> Description:
        try:
            async with asyncio.timeout(self._limits.longest_s):
                return await self._vision.describe(picture)
        except TimeoutError:
            raise DeadlineExceeded(service="the vision model") from None

    async def _refused(self, record: ImageRecord, error: VisionModelRefused) -> WorkResult:
        """Some servers say of an expired key, or of a model that sees nothing, what others say of
        one picture. So a plain picture is shown: who does not take that takes none."""
        try:
            await self._describe(plain_picture(self._limits.max_side))
        except ViewfinderError as trouble:
            if isinstance(trouble, VisionModelRefused):
                reason = f"it does not even take a plain grey picture: {trouble.reason}"
                trouble = VisionModelFailed(trouble.model, trouble.server, reason)
            if not isinstance(trouble.__cause__, NotInShapeError):
                return self._verdict(record, trouble)
        self._faults = 0
        log.info("the vision model refuses a picture", image_id=record.id, reason=error.message)
        return refused(record, error.message)

    def _verdict(self, record: ImageRecord, error: ViewfinderError) -> WorkResult:
        """A model that answers nonsense twice does so again; all else passes."""
        if isinstance(error.__cause__, NotInShapeError):
            self._faults = 0
            return failed(record, error.message)
        if isinstance(error, _OF_THE_MODEL):
            pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(self._faults, 10))
            if self._clock() >= self._paused_until_s:  # several met the same fault
                self._faults += 1
                self._pause_reason = error.message
                self._paused_until_s = self._clock() + pause_s
                log.warning("the vision model is left alone", reason=error.message, pause_s=pause_s)
            return give_back([record.id], error.message)[0]
        return self._judge.verdict(record, error)

    async def _report(self, record: ImageRecord, result: WorkResult) -> None:
        """An answer has cost seconds or money: the catalogue may take its time to come back."""
        delay_s, give_up_s = _FIRST_INSISTING_S, self._clock() + self._limits.lease_s
        while True:
            try:
                await asyncio.to_thread(self._catalog.report, self._name, [result])
            except ViewfinderError as error:
                if is_to_blame(error) and result.outcome == WorkResult.OUTCOME_DESCRIBED:
                    result = failed(record, error.message)
                    result.model = self._vision.name
                elif is_to_blame(error) or self._clock() > give_up_s:
                    log.warning("a description is lost", image_id=record.id, reason=error.message)
                    return
            else:
                self._judge.settle([result])
                return
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, _LONGEST_INSISTING_S)

    def _look_for_more(self) -> None:
        pause_s = self._paused_until_s - self._clock()
        if pause_s > 0:
            self._loop.call_later(pause_s, self._wake_up)
        else:
            self._wake_up()

    def _wake_up(self) -> None:
        self._loop.run_in_executor(None, self._wake)
