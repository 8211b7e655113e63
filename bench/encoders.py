"""Encoders by name, as `--encoder` and `--compare` take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from embedding_service.encoder_loading import MINI, UnknownEncoder, chosen_encoder, load_encoder
from embedding_service.encoders.base import Encoder
from embedding_service.settings import EmbeddingSettings
from viewfinder.settings import load_settings

PRECISIONS: tuple[str, ...] = get_args(
    EmbeddingSettings.model_fields["encoder_precision"].annotation
)


class EncoderProblem(ValueError):
    """An encoder that cannot be had; the message says which there are."""


@dataclass(frozen=True)
class EncoderChoice:
    """An encoder and the precision it shall run in."""

    name: str
    settings: EmbeddingSettings
    is_precision_named: bool = False

    @staticmethod
    def of(text: str) -> EncoderChoice:
        """`NAME`, `NAME@PRECISION`, or empty: what embedding_service would start with.

        Raises:
            EncoderProblem: no such encoder or precision; the message names those there are.
        """
        name, at, precision = text.partition("@")
        # Encoders of any length may be measured, whatever the index wants.
        settings = load_settings(EmbeddingSettings).model_copy(update={"clip_vector_dim": 0})
        if at:
            if precision not in PRECISIONS:
                raise EncoderProblem(
                    f"{text!r}: no precision {precision!r}; allowed: {', '.join(PRECISIONS)}"
                )
            settings = settings.model_copy(update={"encoder_precision": precision})
        named = settings.model_copy(update={"encoder": name}) if name else settings
        try:
            chosen = chosen_encoder(named)
            if chosen == MINI and precision not in ("", "auto"):
                raise EncoderProblem(f"{text!r}: {MINI} comes in one precision; write {MINI}")
            return EncoderChoice(chosen, settings, bool(at))
        except UnknownEncoder as problem:
            text = str(problem).removeprefix("VIEWFINDER_ENCODER=")  # it was an argument here
            raise EncoderProblem(text) from problem

    @property
    def title(self) -> str:
        """What tables call it."""
        precision = f"@{self.settings.encoder_precision}" if self.is_precision_named else ""
        return f"{self.name}{precision}"

    def load(self) -> Encoder:
        """The encoder, warmed up. Raises EncoderProblem when it cannot be had."""
        try:
            return load_encoder(self.settings, self.name)
        except UnknownEncoder as problem:
            raise EncoderProblem(str(problem)) from problem

    def environment(self) -> dict[str, str]:
        """What makes embedding_service start with it."""
        return {
            "VIEWFINDER_ENCODER": self.name,
            "CLIP_VECTOR_DIM": "0",
            "VIEWFINDER_ENCODER_PRECISION": self.settings.encoder_precision,
            "VIEWFINDER_ENCODER_THREADS": str(self.settings.encoder_threads),
            "VIEWFINDER_MODELS_DIR": str(self.settings.models_dir.absolute()),
        }
