"""RapidOCR's models, which its wheel carries, called step by step. Imported by the child only."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rapidocr
from numpy.typing import NDArray
from rapidocr.main import RapidOCRError

from embedding_service.ocr.limits import ReaderLimits
from embedding_service.ocr.lines import Letter, TextLine, Unfinished, words_of

_LINES_A_RUN = 4
_WIDTH_A_RUN = 60.0  # times its height, of all lines of a run
_LONGEST_LINE = 80.0  # times its height; longer ones are squeezed, for a run's memory grows with it
# RapidOCR has a model for that too, but it takes long lines for turned ones: of a dense page it
# turned a quarter.
_DOUBTFUL = 0.9
_FEW = 4  # boxes of the first look that are read before all of the picture is looked at

# Drawn pictures (pages, screenshots) have flat ground and sharp edges, photos have neither so much.
_FLAT_STEP, _FLAT_SHARE = 2, 0.6
_SHARP_STEP, _SHARP_SHARE = 60, 0.015


_BEGUN = 64  # pictures whose reading was broken off


@dataclass
class _Begun:
    """A picture whose lines are known, and some of them read."""

    boxes: NDArray[np.float32]  # [lines, 4 corners, x and y]
    lines: list[TextLine] = field(default_factory=list)


class RapidReader:
    """PP-OCRv6 small: detection and recognition of Latin and Chinese script."""

    def __init__(self, limits: ReaderLimits) -> None:
        self._limits = limits
        models = Path(rapidocr.__file__).parent / "models"
        self._ocr: Any = rapidocr.RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.use_vertical_padding": False,
                "Global.return_word_box": True,
                # Named, so that nothing is looked for elsewhere, or downloaded.
                "Det.model_path": str(models / "PP-OCRv6_det_small.onnx"),
                "Rec.model_path": str(models / "PP-OCRv6_rec_small.onnx"),
                "Det.limit_type": "max",
                "Det.limit_side_len": limits.find_side,
                "Rec.rec_batch_num": _LINES_A_RUN,
                "EngineConfig.onnxruntime.intra_op_num_threads": limits.threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )
        self._begun: OrderedDict[bytes, _Begun] = OrderedDict()
        logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)

    def read(self, pixels: NDArray[np.uint8]) -> list[TextLine]:
        """All lines of a picture, RGB uint8 [height, width, 3], sure or not.

        Raises:
            Unfinished: it takes longer than `reading_s`; to be asked again.
        """
        begun = self._begun.pop(_digest(pixels), None) if self._begun else None
        if begun is None and not self._may_have_text(pixels):
            return []
        picture = _blue_first(pixels)
        if begun is None:
            begun = _Begun(self._find(picture)[1][: self._limits.max_lines])
        crops = self._ocr.crop_text_regions(picture, begun.boxes)
        give_up_s = time.monotonic() + self._limits.reading_s
        for part in _runs(crops[len(begun.lines) :], len(begun.lines)):
            begun.lines += self._recognise(crops[part], begun.boxes[part])
            if time.monotonic() > give_up_s and len(begun.lines) < len(crops):
                self._begun[_digest(pixels)] = begun
                if len(self._begun) > _BEGUN:
                    self._begun.popitem(last=False)
                raise Unfinished
        return begun.lines

    def _may_have_text(self, pixels: NDArray[np.uint8]) -> bool:
        """A look at a small copy: most photos have no text, and finding none costs a fifth."""
        if is_drawn(pixels):
            return True
        small, scale = _fitted(pixels, self._limits.look_side)
        if scale == 1.0:
            return True
        boxes = self._find(_blue_first(small))[1] / scale
        if len(boxes) == 0 or len(boxes) > _FEW:
            return len(boxes) > _FEW
        height, width = pixels.shape[:2]
        crops = [_blue_first(crop) for crop in self._ocr.crop_text_regions(pixels, boxes)]
        lines = [
            line for part in _runs(crops) for line in self._recognise(crops[part], boxes[part])
        ]
        return bool(words_of(lines, width, height, self._limits.min_confidence))

    def _find(self, picture: NDArray[np.uint8]) -> tuple[list[Any], NDArray[np.float32]]:
        try:
            crops, found = self._ocr.detect_and_crop(picture, {})
        except RapidOCRError:  # there is none
            return [], np.zeros((0, 4, 2), np.float32)
        return crops, found.boxes.astype(np.float32)

    def _recognise(self, crops: Sequence[Any], boxes: NDArray[np.float32]) -> list[TextLine]:
        """A line for each crop. What is hard to read may stand upside down."""
        upright = [_squeezed(crop) for crop in crops]
        lines = self._recognise_as_they_are(upright, boxes, flipped=False)
        doubtful = [i for i, line in enumerate(lines) if line.confidence < _DOUBTFUL]
        if self._improved(lines, doubtful, upright, boxes):
            self._improved(
                lines, [i for i in range(len(lines)) if i not in doubtful], upright, boxes
            )
        return lines

    def _improved(
        self,
        lines: list[TextLine],
        doubtful: Sequence[int],
        crops: Sequence[Any],
        boxes: NDArray[np.float32],
    ) -> bool:
        """Whether one of these reads better upside down; it is replaced."""
        if not doubtful:
            return False
        turned = [np.ascontiguousarray(crops[i][::-1, ::-1]) for i in doubtful]
        again = self._recognise_as_they_are(turned, boxes[list(doubtful)], flipped=True)
        better = False
        for i, line in zip(doubtful, again, strict=True):
            if line.confidence > lines[i].confidence:
                lines[i], better = line, better or line.confidence >= _DOUBTFUL
        return better

    def _recognise_as_they_are(
        self, crops: list[Any], boxes: NDArray[np.float32], flipped: bool
    ) -> list[TextLine]:
        read = self._ocr.recognize_txt(crops)
        return [
            _line(text, float(score), info, corners, flipped)
            for text, score, info, corners in zip(
                read.txts, read.scores, read.word_results, boxes, strict=True
            )
        ]


def is_drawn(picture: NDArray[np.uint8]) -> bool:
    """Whether a picture [height, width, 3] looks like a page or a screen rather than a photo."""
    green = picture[::4, :, 1].astype(np.int16)
    steps = np.abs(np.diff(green, axis=1))
    if not steps.size:
        return False
    return bool(
        (steps <= _FLAT_STEP).mean() > _FLAT_SHARE and (steps >= _SHARP_STEP).mean() > _SHARP_SHARE
    )


def _blue_first(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """As OpenCV has them, and the models."""
    return np.ascontiguousarray(pixels[..., ::-1])


def _fitted(picture: NDArray[np.uint8], side: int) -> tuple[NDArray[np.uint8], float]:
    height, width = picture.shape[:2]
    scale = min(1.0, side / max(height, width))
    if scale == 1.0:
        return picture, scale
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small: Any = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return small, scale


def _digest(pixels: NDArray[np.uint8]) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=16).digest()


def _runs(crops: Sequence[Any], offset: int = 0) -> Iterator[slice]:
    """Which lines are read together: they are all made as wide as the widest."""
    start, widest = 0, 0.0
    for position, crop in enumerate(crops):
        shape = min(_LONGEST_LINE, crop.shape[1] / crop.shape[0])
        count = position - start
        if count and (count == _LINES_A_RUN or max(widest, shape) * (count + 1) > _WIDTH_A_RUN):
            yield slice(offset + start, offset + position)
            start, widest = position, 0.0
        widest = max(widest, shape)
    if crops:
        yield slice(offset + start, offset + len(crops))


def _squeezed(crop: Any) -> Any:
    height, width = crop.shape[:2]
    longest = int(height * _LONGEST_LINE)
    return crop if width <= longest else cv2.resize(crop, (longest, height))


def _line(text: str, score: float, info: Any, box: Any, flipped: bool) -> TextLine:
    """`box`: corners from the upper left on, clockwise. RapidOCR reads what is much higher than
    wide from the top down."""
    upper_left, upper_right, lower_right, lower_left = ((float(x), float(y)) for x, y in box)
    wide = np.hypot(*np.subtract(upper_left, upper_right))
    high = np.hypot(*np.subtract(upper_left, lower_left))
    if high >= 1.5 * wide:
        begin, end = (upper_left, upper_right), (lower_left, lower_right)
    else:
        begin, end = (upper_left, lower_left), (upper_right, lower_right)
    if flipped:
        begin, end = end, begin
    return TextLine(text, score, begin, end, _letters(text, info))


def _letters(text: str, info: Any) -> tuple[Letter, ...]:
    """The recogniser sees a line as columns, and says in which it noticed each letter."""
    columns = [column for word in info.word_cols for column in word]
    confidences = [
        one for letter, one in zip(text, info.confs, strict=False) if not letter.isspace()
    ]
    if not columns or len(columns) != len(confidences) or info.line_txt_len <= 0:
        return ()
    usual = (columns[-1] - columns[0]) / (len(text.strip()) - 1) if len(text.strip()) > 1 else 2.0
    return tuple(
        Letter(
            max(0.0, (column + 0.5 - usual / 2) / info.line_txt_len),
            min(1.0, (column + 0.5 + usual / 2) / info.line_txt_len),
            float(confidence),
        )
        for column, confidence in zip(columns, confidences, strict=True)
    )
