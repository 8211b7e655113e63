"""The gRPC face of embedding_service: protobuf to numpy and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from embedding_service.embedder import Embedder
from embedding_service.embedder_set import EmbedderSet
from embedding_service.encoders.base import EncoderSpec, FloatArray, PixelArray
from embedding_service.multi_embedder import MultiVectorEmbedder
from embedding_service.ocr.reader import PictureReader
from viewfinder.errors import InvalidRequest
from viewfinder.pixel_spec_wire import pixel_spec_message
from viewfinder.rpc import remaining_s
from viewfinder.v1 import common_pb2, embedding_pb2, embedding_pb2_grpc

FULL_NAME = "viewfinder.v1.EmbeddingService"


class EmbeddingAdapter(embedding_pb2_grpc.EmbeddingServiceServicer):
    """Serves the encoders."""

    def __init__(self, embedders: EmbedderSet, reader: PictureReader | None = None) -> None:
        """`reader`: of texts in pictures; None: they are not read."""
        self._embedders = embedders
        self._reader = reader

    async def GetSpec(
        self, request: embedding_pb2.GetSpecRequest, context: Any
    ) -> embedding_pb2.GetSpecResponse:
        """The encoder and what it wants."""
        embedder: Embedder | MultiVectorEmbedder | None
        if request.document:
            embedder = self._embedders.document
        else:
            embedder = await self._embedders.get(request.encoder)
        reader = "" if self._reader is None else self._reader.name
        if embedder is None:
            return embedding_pb2.GetSpecResponse(reader=reader)
        calibration = embedder.calibration
        return embedding_pb2.GetSpecResponse(
            spec=_spec_message(embedder.spec),
            device=embedder.device,
            max_batch=embedder.max_batch,
            calibration=None
            if calibration is None
            else embedding_pb2.Calibration(id=calibration.id, json=calibration.to_json()),
            reader=reader,
        )

    async def EmbedText(
        self, request: embedding_pb2.EmbedTextRequest, context: Any
    ) -> embedding_pb2.EmbedTextResponse:
        """Vectors of texts."""
        embedder = await self._embedders.get(request.encoder)
        if isinstance(embedder, MultiVectorEmbedder):
            matrices = await embedder.embed_texts(list(request.texts), remaining_s())
            return embedding_pb2.EmbedTextResponse(
                multi=_matrices(matrices), spec=_spec_message(embedder.spec)
            )
        vectors = await embedder.embed_texts(list(request.texts), remaining_s())
        return embedding_pb2.EmbedTextResponse(
            vectors=_vectors(vectors),
            spec=_spec_message(embedder.spec),
            calibration=_calibration_id(embedder),
        )

    async def EmbedImages(
        self, request: embedding_pb2.EmbedImagesRequest, context: Any
    ) -> embedding_pb2.EmbedImagesResponse:
        """Vectors of pictures."""
        embedder = await self._embedders.get(request.encoder)
        if isinstance(embedder, MultiVectorEmbedder):
            pages = [_one_picture(sized) for sized in request.sized]
            matrices = await embedder.embed_images(pages, remaining_s())
            return embedding_pb2.EmbedImagesResponse(
                multi=_matrices(matrices), spec=_spec_message(embedder.spec)
            )
        vectors = await embedder.embed_images(_pixels(request.pixels), remaining_s())
        return embedding_pb2.EmbedImagesResponse(
            vectors=_vectors(vectors),
            spec=_spec_message(embedder.spec),
            calibration=_calibration_id(embedder),
        )

    async def ReadPicture(
        self, request: embedding_pb2.ReadPictureRequest, context: Any
    ) -> embedding_pb2.ReadPictureResponse:
        """The words in a picture."""
        if self._reader is None:
            raise InvalidRequest("VIEWFINDER_OCR", "false", "true, for texts to be read")
        pixels = _pixels(request.pixels)
        if len(pixels) != 1:
            raise InvalidRequest("pixels.count", str(len(pixels)), "one picture a call")
        words = await self._reader.read(pixels[0], remaining_s())
        return embedding_pb2.ReadPictureResponse(
            text=common_pb2.ReadText(
                source="ocr",
                reader=self._reader.name,
                words=[common_pb2.Word(**asdict(word)) for word in words],
            )
        )

    async def Explain(
        self, request: embedding_pb2.ExplainRequest, context: Any
    ) -> embedding_pb2.ExplainResponse:
        """Where a text is seen in a picture."""
        embedder = await self._embedders.get(request.encoder)
        found = await embedder.explain(_pixels(request.pixels), request.text, remaining_s())
        rows, columns = found.values.shape
        return embedding_pb2.ExplainResponse(
            rows=rows,
            columns=columns,
            data=_float_bytes(found.values),
            tokens=[
                embedding_pb2.TokenMap(token=token, data=_float_bytes(values))
                for token, values in found.tokens
            ],
            spec=_spec_message(embedder.spec),
        )


def _one_picture(message: common_pb2.Pixels) -> PixelArray:
    if message.count != 1:
        raise InvalidRequest("sized.count", str(message.count), "1: a picture each")
    picture: PixelArray = _pixels(message)[0]
    return picture


def _calibration_id(embedder: Embedder) -> embedding_pb2.Calibration | None:
    calibration = embedder.calibration
    return None if calibration is None else embedding_pb2.Calibration(id=calibration.id)


def _pixels(message: common_pb2.Pixels) -> PixelArray:
    shape = (message.count, message.height, message.width, 3)
    wanted_bytes = message.count * message.height * message.width * 3
    if wanted_bytes != len(message.data):
        raise InvalidRequest("pixels.data", f"{len(message.data)} bytes", f"{wanted_bytes} bytes")
    return np.frombuffer(message.data, dtype=np.uint8).reshape(shape)


def _vectors(vectors: FloatArray) -> common_pb2.Vectors:
    count, dim = vectors.shape
    return common_pb2.Vectors(data=_float_bytes(vectors), count=count, dim=dim)


def _float_bytes(values: FloatArray) -> bytes:
    return values.astype("<f4", copy=False).tobytes()


def _matrices(matrices: Sequence[FloatArray]) -> common_pb2.MultiVectors:
    return common_pb2.MultiVectors(
        data=b"".join(matrix.astype("<f4", copy=False).tobytes() for matrix in matrices),
        rows=[len(matrix) for matrix in matrices],
        dim=matrices[0].shape[1],
    )


def _spec_message(spec: EncoderSpec) -> common_pb2.EncoderSpec:
    return common_pb2.EncoderSpec(
        name=spec.name,
        revision=spec.revision,
        kind=spec.kind,
        dim=spec.dim,
        pixels=pixel_spec_message(spec.pixels),
    )
