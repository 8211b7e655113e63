"""Where on a page a text is seen: its tokens' vectors against those of the page's patches.

As colpali_engine.interpretability does it (without its extra packages), with words in the place of
tokens.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import torch

from embedding_service.encoders.base import SimilarityMap
from embedding_service.models.colpali import LoadedModel


@dataclass(frozen=True)
class TokenMatrices:
    """What a model was fed, and its matrices [tokens, dim], without padding, on the CPU."""

    fed: Any
    matrices: list[torch.Tensor]


def similarity_map(
    loaded: LoadedModel,
    page: TokenMatrices,
    query: TokenMatrices,
    text: str,
    size: tuple[int, int],
) -> SimilarityMap:
    """Cosines of every word of `text` with every patch of one page of `size` (height, width)."""
    patches = _patches(loaded, page, size)  # [rows, columns, dim]
    tokens = token_maps(query.matrices[0], patches)  # [tokens, rows, columns]
    words = tuple(
        (word, tokens[numbers].mean(0).numpy())
        for word, numbers in _words(loaded.processor, query, text)
    )
    return SimilarityMap(patches.shape[0], patches.shape[1], words)


def token_maps(query: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
    """float32 [tokens, rows, columns] of [tokens, dim] and [rows, columns, dim]."""
    return torch.einsum("nk,ijk->nij", query, patches)


def _patches(loaded: LoadedModel, page: TokenMatrices, size: tuple[int, int]) -> torch.Tensor:
    processor, matrix = loaded.processor, page.matrices[0]
    height, width = size
    if loaded.family.grid == "split":
        return _split_patches(processor, page, size)
    mask = processor.get_image_mask(page.fed)[0].cpu()
    if loaded.family.grid == "qwen":
        columns, rows = processor.get_n_patches((width, height), loaded.model.spatial_merge_size)
    else:
        # Its own `patch_size` looks where transformers 4 had the tower.
        patch = loaded.model.config.vision_config.patch_size
        columns, rows = processor.get_n_patches((width, height), patch)
    return matrix[mask].reshape(rows, columns, -1)


def _split_patches(processor: Any, page: TokenMatrices, size: tuple[int, int]) -> torch.Tensor:
    """Of a page in tiles and, last, the whole of it once more in one tile: the tiles' patches."""
    matrix = page.matrices[0]
    side = math.isqrt(processor.image_seq_len)
    tile = processor.image_processor.max_image_size["longest_edge"]
    columns, rows = processor.get_n_patches(size, tile)
    mask = processor.get_local_image_mask(page.fed)[0].cpu()
    if int(mask.sum()) != rows * columns * processor.image_seq_len:  # small enough for one tile
        whole = matrix[processor.get_image_mask(page.fed)[0].cpu()][-processor.image_seq_len :]
        return whole.reshape(side, side, -1)
    grid: torch.Tensor = processor.rearrange_image_embeddings(
        matrix, mask, (columns * side, rows * side)
    )
    return grid.permute(1, 0, 2)


def _words(processor: Any, query: TokenMatrices, text: str) -> list[tuple[str, list[int]]]:
    """The words of the text, and which rows of the query's matrix are theirs."""
    ids = query.fed["input_ids"][0].tolist()
    around = processor.query_prefix + text + processor.query_augmentation_token * 10
    for beginning in ("", processor.tokenizer.bos_token or ""):
        whole = beginning + around
        encoded = processor.tokenizer(whole, return_offsets_mapping=True)
        if encoded["input_ids"] == ids:
            break
    start = whole.index(text, len(beginning) + len(processor.query_prefix))
    found = []
    for match in re.finditer(r"\S+", text):
        left, right = start + match.start(), start + match.end()
        numbers = [
            number
            for number, (begin, end) in enumerate(encoded["offset_mapping"])
            if begin < right and end > left and begin < end
        ]
        if numbers:
            found.append((match[0], numbers))
    return found
