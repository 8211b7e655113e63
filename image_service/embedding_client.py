"""The encoder, over gRPC: where in a picture it sees a text."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.errors import InternalError
from viewfinder.pictures import PixelSpec
from viewfinder.pixel_spec_wire import pixel_spec_of
from viewfinder.rpc import open_channel
from viewfinder.v1 import common_pb2, embedding_pb2, embedding_pb2_grpc

SERVICE = "embedding_service"
_SPEC_S = 30.0  # how long an encoder's spec is believed
_QUICK_S = 5.0
_EXPLAIN_S = 15.0
_EXPLAIN_PAGE_S = 60.0  # a model of gigabytes, that may have to be loaded first


@dataclass(frozen=True)
class HeatEncoder:
    """Which encoder is asked, and how it wants the picture."""

    name: str
    revision: str
    pixels: PixelSpec
    reads_pages: bool = False  # a document model


class EmbeddingClient:
    """Opens its channel on construction; needs a running event loop."""

    def __init__(self, address: str) -> None:
        self._channel = open_channel(address, SERVICE)
        self._stub: Any = embedding_pb2_grpc.EmbeddingServiceStub(self._channel)
        self._known: dict[str, tuple[float, HeatEncoder]] = {}

    async def encoder(self, name: str) -> HeatEncoder:
        """The encoder of this name; empty: the one of its settings.

        Raises:
            InvalidRequest: there is none.
            ServiceUnavailable, DeadlineExceeded: embedding_service is away.
        """
        asked_at, known = self._known.get(name, (0.0, None))
        if known is not None and time.monotonic() - asked_at < _SPEC_S:
            return known
        request = embedding_pb2.GetSpecRequest(encoder=name)
        spec = (await self._stub.GetSpec(request, timeout=_QUICK_S)).spec
        found = HeatEncoder(
            spec.name, spec.revision, pixel_spec_of(spec.pixels), spec.kind == "multivector"
        )
        self._known[name] = time.monotonic(), found
        return found

    async def heat(
        self, pixels: NDArray[np.uint8], text: str, encoder: HeatEncoder
    ) -> NDArray[np.float32]:
        """How much each part of uint8 [height, width, 3] shows a text: float32 [rows, columns].

        Raises:
            NotExplainable: the encoder cannot say.
            ServiceUnavailable, DeadlineExceeded, Overloaded: embedding_service is away or busy.
        """
        height, width, _ = pixels.shape
        request = embedding_pb2.ExplainRequest(
            pixels=common_pb2.Pixels(data=pixels.tobytes(), count=1, height=height, width=width),
            text=text,
            encoder=encoder.name,
        )
        answer = await self._stub.Explain(
            request, timeout=_EXPLAIN_PAGE_S if encoder.reads_pages else _EXPLAIN_S
        )
        heat = np.frombuffer(answer.data, "<f4")
        if heat.size != answer.rows * answer.columns or not np.isfinite(heat).all():
            raise InternalError()
        return heat.reshape(answer.rows, answer.columns).astype(np.float32)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()
