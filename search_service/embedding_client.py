"""The encoder, over gRPC: a QueryEncoder that asks embedding_service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_service.encoder_binding import EncoderSpec
from search_service.vector_index import Vector
from search_service.wire import spec_of, vectors_of
from viewfinder.rpc import open_channel
from viewfinder.v1 import common_pb2, embedding_pb2, embedding_pb2_grpc

SERVICE = "embedding_service"


class EmbeddingClient:
    """Opens its channel on construction; needs a running event loop."""

    def __init__(self, address: str, timeout_s: float) -> None:
        self._channel = open_channel(address, SERVICE)
        self._stub: Any = embedding_pb2_grpc.EmbeddingServiceStub(self._channel)
        self._timeout_s = timeout_s

    async def embed_text(self, text: str, encoder: str) -> tuple[Vector, EncoderSpec]:
        """The query vector [dim] of a text."""
        vectors, spec = await self.embed_texts([text], encoder)
        return vectors[0], spec

    async def embed_texts(self, texts: Sequence[str], encoder: str) -> tuple[Vector, EncoderSpec]:
        """The query vectors [n, dim] of n texts, in one call."""
        request = embedding_pb2.EmbedTextRequest(texts=texts, encoder=encoder)
        response = await self._stub.EmbedText(request, timeout=self._timeout_s)
        return vectors_of(response.vectors), spec_of(response.spec)

    async def embed_picture(
        self, pixels: NDArray[np.uint8], encoder: str
    ) -> tuple[Vector, EncoderSpec]:
        """The query vector [dim] of a picture, uint8 [height, width, 3]."""
        height, width, _ = pixels.shape
        request = embedding_pb2.EmbedImagesRequest(
            pixels=common_pb2.Pixels(data=pixels.tobytes(), count=1, height=height, width=width),
            encoder=encoder,
        )
        response = await self._stub.EmbedImages(request, timeout=self._timeout_s)
        return vectors_of(response.vectors)[0], spec_of(response.spec)

    async def spec(self) -> EncoderSpec:
        """The encoder's spec."""
        response = await self._stub.GetSpec(embedding_pb2.GetSpecRequest(), timeout=self._timeout_s)
        return spec_of(response.spec)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()
