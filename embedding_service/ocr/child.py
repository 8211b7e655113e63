"""The process that reads: it has the models of the reader and nothing else, and may die.

It reads pictures from a socket that it inherits and answers until the other side is gone. Started
by reader.py as `python -m embedding_service.ocr.child FD LIMITS`.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import astuple
from multiprocessing.connection import Connection
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from embedding_service.memory import give_back_freed
from embedding_service.ocr.limits import ReaderLimits
from embedding_service.ocr.lines import TextLine, Unfinished, words_of

_NICENESS = 10  # searches come first


class Reader(Protocol):
    """Finds lines of text."""

    def read(self, pixels: NDArray[np.uint8]) -> Sequence[TextLine]:
        """The lines in RGB uint8 [height, width, 3]."""


def main(arguments: list[str], make: Callable[[ReaderLimits], Reader]) -> None:
    """Serve the socket with this descriptor until it is closed."""
    limits = ReaderLimits(**json.loads(arguments[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICENESS)
    _limit("RLIMIT_AS", limits.memory_bytes)
    _limit("RLIMIT_CORE", 0)
    _limit("RLIMIT_FSIZE", 0)
    # Libraries write what they think of a picture; nobody would read it.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    with Connection(int(arguments[0])) as connection, suppress(EOFError, BrokenPipeError):
        reader = make(limits)
        connection.send_bytes(b"ready")
        while True:
            height, width = json.loads(connection.recv_bytes())
            data = connection.recv_bytes()
            pixels = np.frombuffer(data, np.uint8).reshape(height, width, 3)
            connection.send_bytes(json.dumps(_answer(reader, pixels, limits)).encode())
            del data, pixels
            give_back_freed()


def _answer(reader: Reader, pixels: NDArray[np.uint8], limits: ReaderLimits) -> dict[str, Any]:
    height, width = pixels.shape[:2]
    try:
        lines = reader.read(pixels)
        words = words_of(lines, width, height, limits.min_confidence)
    except Unfinished:
        return {"unfinished": True}
    except MemoryError:
        return {"problem": "it needs more memory than allowed"}
    except Exception as error:  # noqa: BLE001 - one picture shall not end the process for the others
        return {"problem": f"{type(error).__name__}: {' '.join(str(error).split())[-200:]}"}
    return {"words": [astuple(word) for word in words]}


def _limit(name: str, value: int) -> None:
    with suppress(ValueError, OSError, AttributeError):  # macOS knows RLIMIT_AS, but not always
        number = getattr(resource, name)
        resource.setrlimit(number, (value, resource.getrlimit(number)[1]))


if __name__ == "__main__":
    from embedding_service.ocr.rapid import RapidReader

    main(sys.argv[1:], RapidReader)
