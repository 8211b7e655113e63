"""The encoder that belongs to a synthetic collection: mini, with as many numbers as wanted."""

from __future__ import annotations

from collections.abc import Callable

from bench.encoders import EncoderProblem
from embedding_service.encoder_loading import MINI, UnknownEncoder, load_encoder
from embedding_service.encoders.base import Encoder
from embedding_service.encoders.widened import MAX_DIM, MIN_DIM
from embedding_service.settings import EmbeddingSettings
from search_service.encoder_binding import EncoderSpec
from viewfinder.settings import load_settings

_MINI_DIM = 384
MakeEncoder = Callable[[int], Encoder]


def encoder_of(dim: int) -> Encoder:
    """Its vectors have `dim` numbers. Raises EncoderProblem when there is none."""
    name = MINI if dim == _MINI_DIM else f"{MINI}@{dim}"
    settings = load_settings(EmbeddingSettings).model_copy(update={"clip_vector_dim": 0})
    try:
        return load_encoder(settings, name)
    except UnknownEncoder:
        allowed = f"{_MINI_DIM}, or {MIN_DIM}..{MAX_DIM}"
        raise EncoderProblem(
            f"vectors of {dim} numbers cannot be made; allowed: {allowed}"
        ) from None


def index_spec(encoder: Encoder) -> EncoderSpec:
    """The encoder's spec as search_service keeps it."""
    spec = encoder.spec
    return EncoderSpec(spec.name, spec.revision, spec.kind, spec.dim, spec.pixels)
