"""How fast an encoder answers through its service, and beside plain open_clip."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console

from bench.embedding_process import EmbeddingProcess, embedding_process
from bench.figures import Figures, machine, summary
from embedding_service.encoders.base import PixelArray
from viewfinder.pictures import PixelSpec
from viewfinder.pixels import PixelPool
from viewfinder.rpc import open_channel
from viewfinder.v1 import common_pb2, embedding_pb2, embedding_pb2_grpc

TOKENS = (5, 9, 16, 32, 77)
BATCHES = (1, 2, 4, 8, 16, 32)
CONCURRENT = 8
_TEXT_CALLS = 40
_PICTURE_CALLS = 6
_WARM_CALLS = 3
_CAMERA_SIZE = (4000, 3000)  # 12 megapixels


def measure_encode(encoder: str, against: str, console: Console) -> Figures:
    """Everything about one encoder; `against` "open_clip" adds pairs with it, in the same run.

    Raises:
        LookupError: there is no such encoder, or nothing to compare it with.
    """
    with embedding_process(encoder) as service:
        first_ms = _ms(lambda: _embed_text(service, text_of(9, 0)))
        asked = embedding_pb2.GetSpecRequest()
        spec = service.stub.GetSpec(asked, timeout=10).spec
        figures: Figures = {
            "encoder": f"{spec.name}@{spec.revision}",
            "start_s": round(service.start_s, 3),
        }
        console.print("texts ...")
        for tokens in TOKENS:
            seconds = [
                _ms(partial(_embed_text, service, text_of(tokens, n))) / 1000
                for n in range(_WARM_CALLS + _TEXT_CALLS)
            ][_WARM_CALLS:]
            found = summary(f"text_{tokens}", seconds)
            figures |= {k: v for k, v in found.items() if k.endswith(("p50_ms", "p95_ms"))}
        figures["first_text_ms"] = round(first_ms, 3)
        figures["first_text_to_median"] = round(first_ms / float(figures["text_9_p50_ms"]), 2)
        figures |= _together(service)
        console.print("pictures ...")
        pixels = PixelSpec.checked(
            spec.pixels.size, spec.pixels.resize_mode, spec.pixels.interpolation, spec.pixels.fill
        )
        figures |= _pictures(service, pixels.size)
        figures |= _camera(service, pixels)
        figures["memory_mb"] = round(service.memory_mb(), 1)
        if against:
            from bench.encode_against import measure_against

            console.print(f"beside {against} ...")
            figures |= measure_against(against, spec.name, service, pixels)
        return figures | machine()


def text_of(tokens: int, variant: int) -> str:
    """A text of about so many tokens, start and end counted; each variant another one."""
    words = ["red", "dog", "man", "car", "sea", "sun", "cat", "big"]
    return " ".join(words[(i * 5 + variant) % len(words)] for i in range(tokens - 2))


def embed_request(pixels: PixelArray) -> embedding_pb2.EmbedImagesRequest:
    """For pictures uint8 [n, size, size, 3]."""
    count, height, width, _ = pixels.shape
    message = common_pb2.Pixels(data=pixels.tobytes(), count=count, height=height, width=width)
    return embedding_pb2.EmbedImagesRequest(pixels=message)


def camera_jpeg() -> bytes:
    """A JPEG of 12 megapixels with the detail of a photo."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (300, 400, 3), np.uint8)
    picture = Image.fromarray(coarse).resize(_CAMERA_SIZE, Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _embed_text(service: EmbeddingProcess, text: str) -> None:
    service.stub.EmbedText(embedding_pb2.EmbedTextRequest(texts=[text]), timeout=60)


def _ms(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1000


def _together(service: EmbeddingProcess) -> Figures:
    """Texts a second, one after the other and `CONCURRENT` at a time, in turns."""
    return asyncio.run(_measure_together(service.address))


async def _measure_together(address: str) -> Figures:
    async with open_channel(address, "embedding_service") as channel:
        stub: Any = embedding_pb2_grpc.EmbeddingServiceStub(channel)

        async def embed(number: int) -> None:
            request = embedding_pb2.EmbedTextRequest(texts=[text_of(9, number)])
            await stub.EmbedText(request, timeout=60)

        one_s, many_s = [], []
        for turn in range(10):
            start = time.perf_counter()
            for number in range(CONCURRENT):
                await embed(turn * 100 + number)
            one_s.append(time.perf_counter() - start)
            start = time.perf_counter()
            await asyncio.gather(*(embed(turn * 100 + 50 + n) for n in range(CONCURRENT)))
            many_s.append(time.perf_counter() - start)
    one, many = float(np.median(one_s)), float(np.median(many_s))
    return {
        "texts_per_s": round(CONCURRENT / one, 1),
        f"texts_per_s_at_{CONCURRENT}": round(CONCURRENT / many, 1),
        f"concurrent_{CONCURRENT}_ratio": round(one / many, 2),
    }


def _pictures(service: EmbeddingProcess, size: int) -> Figures:
    figures: Figures = {}
    random = np.random.default_rng(0)
    for count in BATCHES:
        request = embed_request(random.integers(0, 256, (count, size, size, 3), np.uint8))
        seconds = [
            _ms(partial(service.stub.EmbedImages, request, timeout=120)) / 1000
            for _ in range(1 + _PICTURE_CALLS)
        ][1:]
        figures[f"pictures_per_s_{count}"] = round(count / float(np.median(seconds)), 2)
        if count == 1:
            figures["picture_p50_ms"] = round(float(np.median(seconds)) * 1000, 3)
    return figures


def _camera(service: EmbeddingProcess, spec: PixelSpec) -> Figures:
    """From the bytes of a 12-megapixel JPEG to its vector."""
    content = camera_jpeg()
    with PixelPool() as pool:
        pool.warm_up()
        times = [
            _ms(lambda: service.stub.EmbedImages(_prepared(pool, content, spec), timeout=120))
            for _ in range(1 + _PICTURE_CALLS)
        ][1:]
    return {"jpeg_12mp_p50_ms": round(float(np.median(times)), 2)}


def _prepared(pool: PixelPool, content: bytes, spec: PixelSpec) -> embedding_pb2.EmbedImagesRequest:
    return embed_request(pool.prepare(content, spec)[None])
