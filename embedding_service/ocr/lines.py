"""From lines as a reader finds them to words with upright boxes, in reading order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from embedding_service.ocr.reading_order import rows_of
from viewfinder.pictures import ReadWord

# Wheels, windows and eyes of photos are read as letters, one to three of them, and with doubts.
_SHORT, _SHORT_CONFIDENCE = 3, 0.85
_WIDE = "mwMW@%&"
_NARROW = "iljtf.,;:!|'()[]1I"


class Unfinished(Exception):
    """The time was over before all lines were read; the same picture goes on where it stopped."""


@dataclass(frozen=True)
class Letter:
    """Where a letter stands in its line, in shares of its length from where the line begins."""

    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class TextLine:
    """One line of text as it was found.

    `begin` and `end` are the edges its reading runs from and to, each two points (x, y) in pixels:
    the upper and the lower corner of an upright line, any other two where it is turned.
    """

    text: str
    confidence: float
    begin: tuple[tuple[float, float], tuple[float, float]]
    end: tuple[tuple[float, float], tuple[float, float]]
    letters: tuple[Letter, ...] = field(default=())  # of all but spaces; none: to be guessed

    def piece(self, start: float, end: float) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of a part of it."""
        edges = np.array([self.begin, self.end], np.float64)  # [2 edges, 2 points, x and y]
        shares = np.array([start, end])[:, None, None]
        points: NDArray[np.float64] = (edges[0] + (edges[1] - edges[0]) * shares).reshape(-1, 2)
        left, top = points.min(axis=0)
        right, bottom = points.max(axis=0)
        return float(left), float(top), float(right), float(bottom)


def words_of(
    lines: Sequence[TextLine], width: int, height: int, min_confidence: float
) -> list[ReadWord]:
    """The words of lines found in a picture of so many pixels, those left out that are guesses."""
    sure = [line for line in lines if line.confidence >= _needed(line, min_confidence)]
    words: list[ReadWord] = []
    number = 0
    for row in rows_of([line.piece(0.0, 1.0) for line in sure]):
        read = [
            word
            for position in row
            for word in _words(sure[position], width, height)
            if word.confidence >= min_confidence
        ]
        words += (replace(word, line=number) for word in read)
        number += bool(read)
    return words


def _needed(line: TextLine, min_confidence: float) -> float:
    letters = len("".join(line.text.split()))
    if not letters:
        return math.inf
    return max(min_confidence, _SHORT_CONFIDENCE) if letters <= _SHORT else min_confidence


def _words(line: TextLine, width: int, height: int) -> Iterator[ReadWord]:
    letters = line.letters
    if len(letters) != sum(not letter.isspace() for letter in line.text):
        letters = _guessed_letters(line)
    position = 0
    for text in line.text.split():
        own = letters[position : position + len(text)]
        position += len(text)
        left, top, right, bottom = line.piece(own[0].start, own[-1].end)
        yield ReadWord(
            text=text,
            left=_share(left, width),
            top=_share(top, height),
            right=_share(right, width),
            bottom=_share(bottom, height),
            line=0,
            confidence=round(sum(letter.confidence for letter in own) / len(own), 3),
        )


def _guessed_letters(line: TextLine) -> tuple[Letter, ...]:
    """By the width that such letters usually have."""
    widths = [_usual_width(letter) for letter in line.text.strip()]
    ends = np.cumsum(widths) / sum(widths)
    return tuple(
        Letter(float(end - width / sum(widths)), float(end), line.confidence)
        for letter, width, end in zip(line.text.strip(), widths, ends, strict=True)
        if not letter.isspace()
    )


def _usual_width(letter: str) -> float:
    if ord(letter) >= 0x2E80:  # CJK
        return 2.0
    return 1.5 if letter in _WIDE else 0.6 if letter in _NARROW or letter.isspace() else 1.0


def _share(value: float, whole: int) -> float:
    return round(min(1.0, max(0.0, value / whole)), 5)
