"""Texts to ids as OpenCLIP does it, without torch: the same cleaning, then a `tokenizers` file.

Cleaning is from open_clip/tokenizer.py (MIT, from OpenAI's CLIP) and from big_vision's
`canonicalize_text` (Apache-2.0), which SigLIP was trained with.
"""

from __future__ import annotations

import html
import string
from collections.abc import Sequence
from pathlib import Path

import ftfy
import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from embedding_service.models.manifest import TextClean, TextInput

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
MAX_CHARACTERS = 2_000  # far more than any tower reads; keeps huge texts cheap


class ClipTokenizer:
    """Ids of texts. Safe to call from several threads."""

    def __init__(self, file: Path, how: TextInput) -> None:
        self._tokenizer: Tokenizer = Tokenizer.from_file(str(file))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(how.context_length)
        self._how = how

    def __call__(self, texts: Sequence[str], *, whole: bool = False) -> NDArray[np.int64]:
        """int64 [n, length]: as long as the longest text where the tower is causal, else, or when
        `whole` is asked for, all of the context."""
        how = self._how
        cleaned = [clean(text[:MAX_CHARACTERS], how.clean) for text in texts]
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch(cleaned)]
        cut = how.causal and not whole
        length = max(map(len, rows)) if cut else how.context_length
        ids = np.full((len(rows), length), how.pad_id, np.int64)
        for number, row in enumerate(rows):
            if how.pad_left:
                ids[number, length - len(row) :] = row
            else:
                ids[number, : len(row)] = row
        if how.strip_id is not None:
            ids[ids == how.strip_id] = 0
        return ids


def clean(text: str, how: TextClean) -> str:
    """One spelling of what was meant: mended mojibake, no HTML entities, single spaces."""
    # Half characters, which JSON can carry and UTF-8 cannot, become "?".
    text = text.encode("utf-8", "replace").decode("utf-8")
    if not text.isascii() or not text.isprintable() or "&" in text:  # else they change nothing
        text = html.unescape(html.unescape(ftfy.fix_text(text)))
    if how == "canonicalize":
        text = text.replace("_", " ").translate(_NO_PUNCTUATION)
    text = " ".join(text.split())
    return text if how == "whitespace" else text.lower()
