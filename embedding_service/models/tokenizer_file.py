"""open_clip's tokenizer as one file of the `tokenizers` library, which needs no torch."""

from __future__ import annotations

from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
from tokenizers.processors import TemplateProcessing

from embedding_service.models.manifest import TextInput
from embedding_service.models.problems import ExportRefused

# As in open_clip/tokenizer.py.
_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)"


def tokenizer_file(tokenizer: Any, context_length: int, causal: bool) -> tuple[str, TextInput]:
    """The file's text and how it is to be used, from open_clip's tokenizer object.

    Raises:
        ExportRefused: it does something that the file cannot say.
    """
    if hasattr(tokenizer, "bpe_ranks"):
        return _from_bpe(tokenizer, context_length, causal)
    if hasattr(tokenizer, "tokenizer") and not tokenizer.tokenizer_mode:
        return _from_transformers(tokenizer, context_length, causal)
    raise ExportRefused(f"its tokenizer ({type(tokenizer).__name__}) is not supported")


def _from_bpe(tokenizer: Any, context_length: int, causal: bool) -> tuple[str, TextInput]:
    if tokenizer.reduction_fn is not None:
        raise ExportRefused("its tokenizer drops tokens by chance (reduction_mask)")
    start, end = (tokenizer.decoder[number] for number in tokenizer.all_special_ids[:2])
    made = Tokenizer(
        BPE(
            tokenizer.encoder,
            sorted(tokenizer.bpe_ranks, key=tokenizer.bpe_ranks.__getitem__),
            end_of_word_suffix="</w>",
        )
    )
    made.pre_tokenizer = Sequence(
        [
            Split(Regex(_WORDS), behavior="removed", invert=True),
            ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.add_special_tokens([AddedToken(token, special=True) for token in (start, end)])
    made.post_processor = TemplateProcessing(
        single=f"{start} $A {end}",
        special_tokens=[(start, tokenizer.sot_token_id), (end, tokenizer.eot_token_id)],
    )
    how = TextInput(context_length, causal, 0, tokenizer.eot_token_id, _clean_of(tokenizer))
    return made.to_str(), how


def _from_transformers(tokenizer: Any, context_length: int, causal: bool) -> tuple[str, TextInput]:
    inner = tokenizer.tokenizer
    backend = getattr(inner, "backend_tokenizer", None)
    if backend is None:
        raise ExportRefused("its tokenizer has no fast form (install sentencepiece)")
    made = Tokenizer.from_str(backend.to_str())
    made.no_padding()
    made.no_truncation()
    how = TextInput(
        context_length,
        causal,
        inner.pad_token_id or 0,
        inner.eos_token_id,
        _clean_of(tokenizer),
        inner.sep_token_id if tokenizer.strip_sep_token else None,
        inner.padding_side == "left",
    )
    return made.to_str(), how


def _clean_of(tokenizer: Any) -> Any:
    name: str = tokenizer.clean_fn.__name__
    kind = name.removeprefix("_clean_")
    if kind not in ("lower", "whitespace", "canonicalize"):
        raise ExportRefused(f"its tokenizer cleans texts in an unknown way ({name})")
    return kind
