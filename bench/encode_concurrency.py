"""What concurrent searches gain from sharing runs of the model: texts/s, alone and in eights."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import numpy as np

from bench.encode_service import RunningService
from bench.encode_texts import TextMaker
from bench.figures import Figures
from embedding_service.embedder import Embedder
from embedding_service.encoders.base import Encoder
from embedding_service.settings import EmbeddingSettings
from viewfinder import rpc
from viewfinder.v1 import embedding_pb2, embedding_pb2_grpc

CALLERS = 8
_TOKENS = 9
_CALLS_A_ROUND = 8  # of each caller
_CALL_S = 120.0

Embed = Callable[[str], Awaitable[object]]


async def measure_batcher(encoder: Encoder, settings: EmbeddingSettings, rounds: int) -> Figures:
    """Through embedding_service's own batching, in this process."""
    embedder = Embedder(encoder, settings.text_batch, settings.image_batch, text_cache_size=0)
    try:
        return await _measure(
            "_in_process", lambda text: embedder.embed_texts([text], None), rounds
        )
    finally:
        await embedder.close()


async def measure_service(service: RunningService, rounds: int) -> Figures:
    """Through gRPC."""
    async with rpc.open_channel(service.address, "embedding_service") as channel:
        stub = embedding_pb2_grpc.EmbeddingServiceStub(channel)

        def embed(text: str) -> Awaitable[object]:
            call: Awaitable[object] = stub.EmbedText(
                embedding_pb2.EmbedTextRequest(texts=[text]), timeout=_CALL_S
            )
            return call

        return await _measure("", embed, rounds)


async def _measure(name: str, embed: Embed, rounds: int) -> Figures:
    """Rounds of one caller and of eight, in turn; the gain is the median over rounds."""
    texts = TextMaker(seed=2)
    await _per_s(embed, texts, 1)
    rates = np.array([[await _per_s(embed, texts, n) for n in (1, CALLERS)] for _ in range(rounds)])
    alone, together = np.median(rates, 0)
    gain = np.median(rates[:, 1] / rates[:, 0])
    return {
        f"texts_per_s{name}": round(float(alone), 1),
        f"texts_per_s_at_{CALLERS}{name}": round(float(together), 1),
        f"concurrent_{CALLERS}_ratio{name}": round(float(gain), 2),
    }


async def _per_s(embed: Embed, texts: TextMaker, callers: int) -> float:
    """All callers send as many texts, each one after the other."""

    async def caller(own: list[str]) -> None:
        for text in own:
            await embed(text)

    lists = [[texts.text(_TOKENS) for _ in range(_CALLS_A_ROUND)] for _ in range(callers)]
    began = time.perf_counter()
    await asyncio.gather(*(caller(own) for own in lists))
    return callers * _CALLS_A_ROUND / (time.perf_counter() - began)
