"""The header that tells clients where the time of an answer went (W3C Server Timing)."""

from __future__ import annotations

from collections.abc import Mapping


def server_timing(hops_ms: Mapping[str, float]) -> str:
    """Its value: milliseconds by hop, each with all that the hop waited for."""
    return ", ".join(f"{name};dur={ms:.3f}" for name, ms in hops_ms.items())
