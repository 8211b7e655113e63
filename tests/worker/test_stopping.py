"""A signal to stop lets work finish, and ends what only waits."""

from __future__ import annotations

import pytest

from worker.batch import StoppedWaiting, StopSignal


def test_a_signal_ends_a_wait() -> None:
    stop = StopSignal()
    with pytest.raises(StoppedWaiting), stop.waiting():
        stop.on_signal()
    assert stop.is_set


def test_a_signal_lets_work_go_on() -> None:
    stop = StopSignal()
    stop.on_signal()
    assert stop.is_set


def test_who_was_told_to_stop_does_not_begin_to_wait() -> None:
    stop = StopSignal()
    stop.set()
    with pytest.raises(StoppedWaiting), stop.waiting():
        pytest.fail("it waits")


def test_a_second_signal_does_not_break_the_way_out() -> None:
    stop = StopSignal()

    def wait_and_tidy() -> None:
        with stop.waiting():
            try:
                stop.on_signal()
            finally:
                stop.on_signal()
                tidied.append(True)

    tidied: list[bool] = []
    with pytest.raises(StoppedWaiting):
        wait_and_tidy()
    assert tidied
