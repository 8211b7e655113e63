"""The encoder, over gRPC: a QueryEncoder that asks embedding_service."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from search_service.encoder_binding import EncoderSpec
from search_service.vector_index import Vector
from search_service.wire import matrices_of, spec_of, vectors_of
from viewfinder.calibration import BrokenCalibration, Calibration
from viewfinder.errors import ServiceUnavailable
from viewfinder.late_calibration import LateCalibration
from viewfinder.rpc import open_channel
from viewfinder.v1 import common_pb2, embedding_pb2, embedding_pb2_grpc

SERVICE = "embedding_service"
_DOCUMENT_SPEC_S = 10.0
_ASK_AGAIN_S = 60.0  # for a calibration, when no embedded query tells of a new one

log = structlog.get_logger()


class EmbeddingClient:
    """Opens its channel on construction; needs a running event loop.

    `on_new_calibration` is called before hits get another relevance than they had, or pages are
    looked for by another encoder.
    """

    def __init__(
        self,
        address: str,
        timeout_s: float,
        on_new_calibration: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._on_new_calibration = on_new_calibration
        self._channel = open_channel(address, SERVICE)
        self._stub: Any = embedding_pb2_grpc.EmbeddingServiceStub(self._channel)
        self._timeout_s = timeout_s
        self._calibrations = _Calibrations()
        self._document_spec: EncoderSpec | None = None
        self._document_spec_seen_s = -math.inf
        self._late_calibration: LateCalibration | None = None

    async def embed_text(self, text: str, encoder: str) -> tuple[Vector, EncoderSpec]:
        """The query vector [dim] of a text."""
        vectors, spec = await self.embed_texts([text], encoder)
        return vectors[0], spec

    async def embed_texts(self, texts: Sequence[str], encoder: str) -> tuple[Vector, EncoderSpec]:
        """The query vectors [n, dim] of n texts, in one call."""
        request = embedding_pb2.EmbedTextRequest(texts=texts, encoder=encoder)
        response = await self._stub.EmbedText(request, timeout=self._timeout_s)
        return self._vectors(response)

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
        vectors, spec = self._vectors(response)
        return vectors[0], spec

    async def spec(self) -> EncoderSpec:
        """The encoder's spec."""
        response = await self._stub.GetSpec(embedding_pb2.GetSpecRequest(), timeout=self._timeout_s)
        return spec_of(response.spec)

    async def document_spec(self) -> EncoderSpec | None:
        """The encoder of pages; None: there is none. Asked for every few seconds."""
        if time.monotonic() - self._document_spec_seen_s < _DOCUMENT_SPEC_S:
            return self._document_spec
        request = embedding_pb2.GetSpecRequest(document=True)
        response = await self._stub.GetSpec(request, timeout=self._timeout_s)
        spec = spec_of(response.spec) if response.HasField("spec") else None
        if spec is not None and not spec.is_multi:
            spec = None  # of a service that knows no documents yet
        calibration = None if spec is None else _late_calibration(response.calibration.json)
        before = (self._document_spec, self._late_calibration)
        is_new = self._document_spec_seen_s > -math.inf and (spec, calibration) != before
        self._document_spec, self._document_spec_seen_s = spec, time.monotonic()
        self._late_calibration = calibration
        if is_new and self._on_new_calibration is not None:
            await self._on_new_calibration()
        return spec

    def late_calibration(self, spec: EncoderSpec) -> LateCalibration | None:
        """What came with `document_spec`; None where that has none, or is another one by now."""
        return self._late_calibration if spec == self._document_spec else None

    async def embed_tokens(self, text: str, encoder: str) -> tuple[Vector, EncoderSpec]:
        """The rows [tokens, dim] of a text, by a document encoder.

        Raises:
            ServiceUnavailable: it answers with something else.
        """
        request = embedding_pb2.EmbedTextRequest(texts=[text], encoder=encoder)
        response = await self._stub.EmbedText(request, timeout=self._timeout_s)
        matrices = matrices_of(response.multi)
        if len(matrices) != 1 or not len(matrices[0]):
            raise ServiceUnavailable(SERVICE, f"{encoder} gave {len(matrices)} matrices of a text")
        return matrices[0], spec_of(response.spec)

    async def calibration(self, spec: EncoderSpec) -> Calibration | None:
        """What this encoder has; asked for once, and again when it is another one."""
        if self._calibrations.is_current(spec):
            return self._calibrations.known(spec)
        request = embedding_pb2.GetSpecRequest(encoder=spec.name)
        response = await self._stub.GetSpec(request, timeout=self._timeout_s)
        is_new = self._calibrations.is_new(spec, response.calibration.id)
        known = self._calibrations.remember(spec_of(response.spec), response.calibration, spec)
        if is_new and self._on_new_calibration is not None:
            await self._on_new_calibration()
        return known

    def _vectors(self, response: Any) -> tuple[Vector, EncoderSpec]:
        spec = spec_of(response.spec)
        self._calibrations.announced(spec, response.calibration.id)
        return vectors_of(response.vectors), spec

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()


def _late_calibration(text: str) -> LateCalibration | None:
    if not text:
        return None
    try:
        return LateCalibration.from_json(text)
    except BrokenCalibration as error:
        log.warning("calibration of the document encoder cannot be used", reason=str(error))
        return None


class _Calibrations:
    """Those of the encoders met, by spec: a handful in the life of a process."""

    def __init__(self) -> None:
        self._known: dict[EncoderSpec, Calibration | None] = {}
        self._ids: dict[EncoderSpec, str] = {}
        self._seen_s: dict[EncoderSpec, float] = {}

    def announced(self, spec: EncoderSpec, calibration_id: str) -> None:
        """What the encoder has now, "" for none: any other is not current from here on."""
        if self._ids.get(spec) != calibration_id:
            self._seen_s.pop(spec, None)
        elif spec in self._seen_s:
            self._seen_s[spec] = time.monotonic()

    def is_current(self, spec: EncoderSpec) -> bool:
        """Whether what is known need not be asked for again."""
        return time.monotonic() - self._seen_s.get(spec, -_ASK_AGAIN_S) < _ASK_AGAIN_S

    def is_new(self, spec: EncoderSpec, calibration_id: str) -> bool:
        """Whether hits had another relevance so far, or none."""
        return self._ids.get(spec) != calibration_id

    def known(self, spec: EncoderSpec) -> Calibration | None:
        """What `remember` kept."""
        return self._known.get(spec)

    def remember(
        self, answered: EncoderSpec, message: embedding_pb2.Calibration, wanted: EncoderSpec
    ) -> Calibration | None:
        """Keep what came; None when it is of other vectors than those wanted."""
        calibration = None
        if message.json and answered == wanted:
            try:
                calibration = Calibration.from_json(message.json)
            except BrokenCalibration as error:
                log.warning("calibration cannot be used", encoder=wanted.name, reason=str(error))
        self._known[wanted] = calibration
        self._ids[wanted] = message.id
        self._seen_s[wanted] = time.monotonic()
        return calibration
