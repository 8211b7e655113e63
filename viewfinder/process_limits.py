"""Limits of the process that decodes. Where a system knows a limit not, it is not set."""

from __future__ import annotations

import math
import os
import resource
from contextlib import suppress
from pathlib import Path

_STATM = Path("/proc/self/statm")


def limit(name: str, value: int) -> None:
    """Set the soft limit; the hard one stays, so that it may be raised again."""
    with suppress(ValueError, OSError, AttributeError):  # macOS knows RLIMIT_AS, but not always
        number = getattr(resource, name)
        resource.setrlimit(number, (value, resource.getrlimit(number)[1]))


def renew_cpu_time(timeout_s: float) -> None:
    """SIGXCPU ends this process when the task to come takes longer, even inside C code."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit("RLIMIT_CPU", math.ceil(used.ru_utime + used.ru_stime + timeout_s))


def address_space_bytes() -> int:
    """What this process has now; 0 where that is not known."""
    try:
        return int(_STATM.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
