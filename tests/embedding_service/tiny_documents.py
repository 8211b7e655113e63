"""Tiny document models with random weights, as folders of transformers: made, not downloaded.

The tokenizers know single bytes (or characters) only, so that every text can be encoded.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from embedding_service.models import colpali

_QWEN_MARKS = [
    f"<|{name}|>"
    for name in (
        "endoftext", "im_start", "im_end", "object_ref_start", "object_ref_end", "box_start",
        "box_end", "quad_start", "quad_end", "vision_start", "vision_end", "vision_pad",
        "image_pad", "video_pad",
    )
]  # fmt: skip
HIDDEN = 64


def tiny_colqwen2(folder: Path, seed: int = 0) -> Path:
    """4 to 64 visual tokens of 28 pixels."""
    package = colpali.engine()
    with colpali.quiet():
        from transformers import Qwen2VLConfig

        tokenizer, processor = _qwen(package.ColQwen2Processor)
        vision = {
            "depth": 2, "embed_dim": 32, "hidden_size": HIDDEN, "num_heads": 2, "mlp_ratio": 2,
        }  # fmt: skip
        config = _qwen_config(Qwen2VLConfig, tokenizer, vision)
        return _saved(package.ColQwen2(config), processor, folder, seed)


def tiny_colqwen2_5(folder: Path, seed: int = 0) -> Path:
    """As ColQwen2, with windows of 56 pixels in the tower."""
    package = colpali.engine()
    with colpali.quiet():
        from transformers import Qwen2_5_VLConfig

        tokenizer, processor = _qwen(package.ColQwen2_5_Processor)
        vision = {
            "depth": 2, "hidden_size": 32, "out_hidden_size": HIDDEN, "num_heads": 2,
            "intermediate_size": 64, "fullatt_block_indexes": [1], "window_size": 56,
        }  # fmt: skip
        config = _qwen_config(Qwen2_5_VLConfig, tokenizer, vision)
        return _saved(package.ColQwen2_5(config), processor, folder, seed)


def _qwen(kind: Any) -> tuple[Any, Any]:
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import Qwen2Tokenizer
    from transformers.models.qwen2_vl import Qwen2VLImageProcessor, Qwen2VLVideoProcessor

    letters = {letter: n for n, letter in enumerate(sorted(ByteLevel.alphabet()))}
    tokenizer = Qwen2Tokenizer(vocab=letters, merges=[], extra_special_tokens=_QWEN_MARKS[1:])
    size = {"shortest_edge": 4 * 28 * 28, "longest_edge": 64 * 28 * 28}
    processor = kind(
        image_processor=Qwen2VLImageProcessor(size=size),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(size=size),
    )
    return tokenizer, processor


def _qwen_config(kind: Any, tokenizer: Any, vision: dict[str, Any]) -> Any:
    ids = {mark: tokenizer.convert_tokens_to_ids(mark) for mark in _QWEN_MARKS}
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [4, 2, 2]}
    return kind(
        text_config={
            **_text(len(tokenizer)),
            "bos_token_id": None,
            "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|endoftext|>"],
            "rope_parameters": rope,
        },
        vision_config=vision,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )


def tiny_colpali(folder: Path, seed: int = 0) -> Path:
    """Pages of 56 pixels, 16 patches of 14."""
    package = colpali.engine()
    with colpali.quiet():
        from transformers import GemmaTokenizer, PaliGemmaConfig, SiglipImageProcessor

        marks = ["<pad>", "<eos>", "<bos>", "<unk>"]
        pieces = [*marks, *(f"<0x{n:02X}>" for n in range(256)), "\u2581", *_letters()]
        tokenizer = GemmaTokenizer(
            vocab={piece: n for n, piece in enumerate(pieces)}, merges=[],
            extra_special_tokens=["<image>"],
        )  # fmt: skip
        config = PaliGemmaConfig(
            text_config={
                **_text(len(tokenizer) + 1100),  # the processor adds its own 1,024 places
                "model_type": "gemma",
                "head_dim": 16,
                "pad_token_id": 0,
            },
            vision_config={
                "model_type": "siglip_vision_model",
                "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
                "num_attention_heads": 2, "image_size": 56, "patch_size": 14,
                "projection_dim": HIDDEN, "vision_use_head": False,
            },
            projection_dim=HIDDEN,
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        )  # fmt: skip
        images = SiglipImageProcessor(size={"height": 56, "width": 56})
        images.image_seq_length = 16
        processor = package.ColPaliProcessor(image_processor=images, tokenizer=tokenizer)
        return _saved(package.ColPali(config), processor, folder, seed)


def tiny_colidefics3(folder: Path, seed: int = 0) -> Path:
    """Pages of at most 112 pixels in tiles of 56, each of 4 tokens: ColSmol's architecture."""
    package = colpali.engine()
    with colpali.quiet():
        from tokenizers.pre_tokenizers import ByteLevel
        from transformers import GPT2Tokenizer, Idefics3Config, Idefics3ImageProcessor

        letters = {letter: n for n, letter in enumerate(sorted(ByteLevel.alphabet()))}
        places = [f"<row_{row}_col_{col}>" for row in range(1, 7) for col in range(1, 7)]
        marks = ["<|im_start|>", "<fake_token_around_image>", "<image>", "<global-img>",
                 "<end_of_utterance>", *places]  # fmt: skip
        tokenizer = GPT2Tokenizer(
            vocab=letters | {"<|endoftext|>": len(letters)}, merges=[], extra_special_tokens=marks,
            pad_token="<|endoftext|>",
        )  # fmt: skip
        config = Idefics3Config(
            text_config={**_text(len(tokenizer)), "model_type": "llama", "pad_token_id": 256},
            vision_config={
                "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
                "num_attention_heads": 2, "image_size": 56, "patch_size": 14,
            },
            scale_factor=2,
            image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        )  # fmt: skip
        images = Idefics3ImageProcessor(
            size={"longest_edge": 112}, max_image_size={"longest_edge": 56}
        )
        processor = package.ColIdefics3Processor(
            image_processor=images, tokenizer=tokenizer, image_seq_len=4
        )
        return _saved(package.ColIdefics3(config), processor, folder, seed)


TINY: dict[str, Callable[[Path], Path]] = {
    "ColQwen2": tiny_colqwen2,
    "ColQwen2_5": tiny_colqwen2_5,
    "ColPali": tiny_colpali,
    "ColIdefics3": tiny_colidefics3,
}


def _text(vocabulary: int) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary,
        "hidden_size": HIDDEN,
        "intermediate_size": 2 * HIDDEN,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
    }


def _letters() -> list[str]:
    return [chr(n) for n in range(33, 127)]


def _saved(model: Any, processor: Any, folder: Path, seed: int) -> Path:
    # As they are made, biases and the padding's row are zero, and rows of zeros have no length.
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.08 if parameter.dim() > 1 else 0.02, generator=generator)
    model.eval().save_pretrained(str(folder))
    processor.save_pretrained(str(folder))
    return folder
