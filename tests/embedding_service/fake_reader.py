"""A reader of texts that does what the first number of a picture says; see test_reader.py."""

from __future__ import annotations

import os
import sys
import time

import numpy as np
from numpy.typing import NDArray

from embedding_service.ocr.child import main
from embedding_service.ocr.limits import ReaderLimits
from embedding_service.ocr.lines import TextLine

READ, DIE, SLEEP, RAISE, EAT_MEMORY = range(5)


class FakeReader:
    def __init__(self, limits: ReaderLimits) -> None:
        self._limits = limits

    def read(self, pixels: NDArray[np.uint8]) -> list[TextLine]:
        match int(pixels[0, 0, 0]):
            case 1:
                os._exit(9)
            case 2:
                time.sleep(60)
            case 3:
                raise ArithmeticError("it does not add up")
            case 4:
                np.ones(2 * self._limits.memory_bytes, np.uint8)
        facts = f"{pixels.shape[1]} x {pixels.shape[0]} nice {os.nice(0)} pid {os.getpid()}"
        secrets = " ".join(sorted(key for key in os.environ if "SECRET" in key))
        return [
            TextLine(facts, 0.9, ((0, 0), (0, 1)), ((1, 0), (1, 1))),
            TextLine(f"secrets: {secrets}", 0.9, ((0, 2), (0, 3)), ((1, 2), (1, 3))),
        ]


class NeverReady:
    def __init__(self, limits: ReaderLimits) -> None:
        raise ImportError("no models")


if __name__ == "__main__":
    main(sys.argv[-2:], NeverReady if sys.argv[1] == "never" else FakeReader)
