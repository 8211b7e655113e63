"""How one query is searched, of all that the settings say."""

from __future__ import annotations

import pytest

from search_service.engine_options import EngineOptions


@pytest.mark.parametrize(
    ("limit", "best", "oversampling"),
    [(11, None, 2.0), (11, 11, 2.0), (40, 30, 1.5), (100, 11, 1.0), (10, 100, 2.0)],
)
def test_only_what_is_wanted_is_oversampled(
    limit: int, best: int | None, oversampling: float
) -> None:
    suiting = EngineOptions(oversampling=2.0).suiting(None, limit, best)
    assert suiting.oversampling == oversampling


def test_a_query_may_bring_its_own_ef() -> None:
    assert EngineOptions(ef=128).suiting(64, 10, None).ef == 64
    assert EngineOptions(ef=128).suiting(None, 10, None).ef == 128
