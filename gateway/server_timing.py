"""The header that tells clients where the time of an answer went (W3C Server Timing)."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar

_hops: ContextVar[dict[str, float] | None] = ContextVar("hops", default=None)


def follow_hops() -> dict[str, float]:
    """From now on `note_hops` of this request, also from tasks that it starts, writes here."""
    hops: dict[str, float] = {}
    _hops.set(hops)
    return hops


def note_hops(hops_ms: Mapping[str, float]) -> None:
    """Milliseconds by hop, each with all that the hop waited for."""
    hops = _hops.get()
    if hops is not None:
        hops.update(hops_ms)


def server_timing(hops_ms: Mapping[str, float]) -> str:
    """The header's value."""
    return ", ".join(f"{name};dur={ms:.3f}" for name, ms in hops_ms.items())
