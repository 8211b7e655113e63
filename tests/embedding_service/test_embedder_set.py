"""Several encoders at once: the one of the settings, and others by name."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from embedding_service.embedder import Embedder
from embedding_service.embedder_set import MAX_OTHERS, EmbedderSet
from embedding_service.encoder_loading import UnknownEncoder
from tests.embedding_service.conftest import HistogramEncoder
from viewfinder.errors import InvalidRequest


class Loader:
    """Loads encoders of any name but "nobody"."""

    def __init__(self) -> None:
        self.loaded: list[str] = []

    def __call__(self, name: str) -> Embedder:
        if name == "nobody":
            raise UnknownEncoder("nobody is not there; there are: histogram")
        self.loaded.append(name)
        encoder = HistogramEncoder()
        encoder.spec = dataclasses.replace(encoder.spec, name=name)  # type: ignore[misc]
        return Embedder(encoder, text_batch=4, image_batch=8, text_cache_size=10)


async def test_the_settings_encoder_answers_to_its_name_and_to_none(embedder: Embedder) -> None:
    embedders = EmbedderSet(embedder, Loader())
    assert await embedders.get("") is embedder
    assert await embedders.get("histogram") is embedder


async def test_another_is_loaded_once_however_many_ask(embedder: Embedder) -> None:
    loader = Loader()
    embedders = EmbedderSet(embedder, loader)
    first, *rest = await asyncio.gather(*(embedders.get("next") for _ in range(10)))
    assert first.spec.name == "next"
    assert all(one is first for one in rest)
    assert loader.loaded == ["next"]


async def test_an_unknown_one_is_refused_naming_those_there_are(embedder: Embedder) -> None:
    with pytest.raises(InvalidRequest, match="histogram"):
        await EmbedderSet(embedder, Loader()).get("nobody")


async def test_those_not_asked_for_make_room(embedder: Embedder) -> None:
    loader = Loader()
    embedders = EmbedderSet(embedder, loader)
    for number in range(MAX_OTHERS + 1):
        await embedders.get(f"encoder-{number}")
    await embedders.get("encoder-0")
    assert loader.loaded.count("encoder-0") == 2
    assert await embedders.get("") is embedder
