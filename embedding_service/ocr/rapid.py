"""RapidOCR's models, which its wheel carries, called step by step. Imported by the child only."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rapidocr
from numpy.typing import NDArray
from rapidocr.main import RapidOCRError

from embedding_service.ocr.limits import ReaderLimits
from embedding_service.ocr.lines import Letter, TextLine, words_of

_LINES_A_RUN = 4
_LONGEST_LINE = 80.0  # times its height; longer ones are squeezed, for a run's memory grows with it
_FEW = 4  # boxes of the first look that are read before all of the picture is looked at

# Drawn pictures (pages, screenshots) have flat ground and sharp edges, photos have neither so much.
_FLAT_STEP, _FLAT_SHARE = 2, 0.6
_SHARP_STEP, _SHARP_SHARE = 60, 0.015


class RapidReader:
    """PP-OCRv6 small: detection, direction, recognition of Latin and Chinese script."""

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
                "Cls.model_path": str(models / "ch_ppocr_mobile_v2.0_cls_mobile.onnx"),
                "Rec.model_path": str(models / "PP-OCRv6_rec_small.onnx"),
                "Det.limit_type": "max",
                "Det.limit_side_len": limits.find_side,
                "Rec.rec_batch_num": _LINES_A_RUN,
                "EngineConfig.onnxruntime.intra_op_num_threads": limits.threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )
        logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)

    def read(self, pixels: NDArray[np.uint8]) -> list[TextLine]:
        """All lines of a picture, RGB uint8 [height, width, 3], sure or not."""
        blue_first = np.ascontiguousarray(pixels[..., ::-1])
        if not self._may_have_text(blue_first):
            return []
        return self._read(*self._find(blue_first))

    def _may_have_text(self, picture: NDArray[np.uint8]) -> bool:
        """A look at a small copy: most photos have no text, and finding none costs a fifth."""
        if is_drawn(picture):
            return True
        small, scale = _fitted(picture, self._limits.look_side)
        if scale == 1.0:
            return True
        crops, boxes = self._find(small)
        if len(crops) == 0 or len(crops) > _FEW:
            return len(crops) > _FEW
        boxes = boxes / scale
        crops = self._ocr.crop_text_regions(picture, boxes.astype(np.float32))
        height, width = picture.shape[:2]
        lines = self._read(crops, boxes)
        return bool(words_of(lines, width, height, self._limits.min_confidence))

    def _find(self, picture: NDArray[np.uint8]) -> tuple[list[Any], NDArray[np.float32]]:
        try:
            crops, found = self._ocr.detect_and_crop(picture, {})
        except RapidOCRError:  # there is none
            return [], np.zeros((0, 4, 2), np.float32)
        return crops, found.boxes

    def _read(self, crops: Sequence[Any], boxes: NDArray[np.float32]) -> list[TextLine]:
        give_up_s = time.monotonic() + self._limits.reading_s
        lines: list[TextLine] = []
        for start in range(0, min(len(crops), self._limits.max_lines), _LINES_A_RUN):
            if time.monotonic() > give_up_s:
                break
            part = slice(start, start + _LINES_A_RUN)
            lines += self._recognise([_squeezed(crop) for crop in crops[part]], boxes[part])
        return lines

    def _recognise(self, crops: list[Any], boxes: NDArray[np.float32]) -> list[TextLine]:
        try:
            turned, directions = self._ocr.cls_and_rotate(crops)
            read = self._ocr.recognize_txt(turned)
        except RapidOCRError:
            return []
        is_flipped = [
            label == "180" and score > self._ocr.cfg.Cls.cls_thresh
            for label, score in directions.cls_res
        ]
        return [
            _line(text, float(score), info, corners, flipped)
            for text, score, info, corners, flipped in zip(
                read.txts, read.scores, read.word_results, boxes, is_flipped, strict=True
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


def _fitted(picture: NDArray[np.uint8], side: int) -> tuple[NDArray[np.uint8], float]:
    height, width = picture.shape[:2]
    scale = min(1.0, side / max(height, width))
    if scale == 1.0:
        return picture, scale
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small: Any = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return small, scale


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
