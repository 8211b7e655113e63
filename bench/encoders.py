"""Encoders to be measured, by the name that users know."""

from __future__ import annotations

from embedding_service.encoder_loading import UnknownEncoder, load_encoder
from embedding_service.encoders.base import Encoder
from embedding_service.settings import EmbeddingSettings
from viewfinder.settings import load_settings


def encoder_of(name: str) -> Encoder:
    """The encoder of this name, warmed up; the one of the settings when it is empty.

    Raises:
        LookupError: there is none; the message says which there are.
    """
    try:
        return load_encoder(load_settings(EmbeddingSettings), name)
    except UnknownEncoder as error:
        raise LookupError(str(error)) from error
