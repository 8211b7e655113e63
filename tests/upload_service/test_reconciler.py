"""The reconciler survives whatever its neighbours do."""

from __future__ import annotations

import asyncio

from tests.upload_service.conftest import House, jpeg
from upload_service.reconciler import Reconciler
from viewfinder.errors import ServiceUnavailable
from viewfinder.queue import Wake


class Queue:
    """Counts wakes; `fault` is raised by whatever is called next."""

    def __init__(self) -> None:
        self.wakes = 0
        self.fault: Exception | None = None

    def _maybe_fail(self) -> None:
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault

    def wake_all(self) -> Wake:
        self._maybe_fail()
        self.wakes += 1
        return Wake.WOKEN

    def reap(self) -> None:
        self._maybe_fail()


async def _until_woken(queue: Queue, times: int) -> None:
    async def woken() -> None:
        while queue.wakes < times:
            await asyncio.sleep(0.005)

    await asyncio.wait_for(woken(), 10)


async def test_a_row_that_waits_wakes_the_workers_again_and_again(house: House) -> None:
    await house.take(jpeg())
    queue = Queue()
    running = asyncio.create_task(Reconciler(house.claims, queue, 0.01).run())
    await _until_woken(queue, 3)
    running.cancel()


async def test_a_fault_nobody_foresaw_does_not_end_the_reconciler(house: House) -> None:
    await house.take(jpeg())
    queue = Queue()
    running = asyncio.create_task(Reconciler(house.claims, queue, 0.01).run())
    for fault in (TypeError("rq"), ServiceUnavailable(service="queue"), OSError(28, "full")):
        queue.fault = fault
        await _until_woken(queue, queue.wakes + 3)
    running.cancel()


async def test_an_arrival_wakes_even_after_a_fault(house: House) -> None:
    queue = Queue()
    queue.fault = TypeError("rq")
    reconciler = Reconciler(house.claims, queue, 3600)
    running = asyncio.create_task(reconciler.run())
    reconciler.work_arrived()
    while queue.fault is not None:
        await asyncio.sleep(0.005)
    reconciler.work_arrived()
    await _until_woken(queue, 1)
    running.cancel()


async def test_at_its_start_it_wakes_a_worker_that_may_hold_what_nobody_told_it(
    house: House,
) -> None:
    queue = Queue()
    running = asyncio.create_task(Reconciler(house.claims, queue, 3600).run())
    await _until_woken(queue, 1)
    running.cancel()
