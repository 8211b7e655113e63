"""Pictures that are searched by: decoded in a guarded child, as the encoder wants them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.services import QUICK_S
from viewfinder.errors import Overloaded
from viewfinder.pictures import PixelSpec
from viewfinder.pixel_spec_wire import pixel_spec_of
from viewfinder.pixels import PixelPool
from viewfinder.v1 import common_pb2, embedding_pb2, search_pb2

if TYPE_CHECKING:
    from viewfinder.v1.embedding_pb2_grpc import EmbeddingServiceAsyncStub
    from viewfinder.v1.search_pb2_grpc import SearchServiceAsyncStub

_RETRY_S = 1


class QueryPictures:
    """Prepares at most `limit` pictures at once; more are refused rather than kept waiting."""

    def __init__(
        self,
        search: SearchServiceAsyncStub,
        embedding: EmbeddingServiceAsyncStub,
        pool: PixelPool,
        limit: int,
    ) -> None:
        self._search = search
        self._embedding = embedding
        self._pool = pool
        self._limit = limit
        self._busy = 0
        self._spec: PixelSpec | None = None

    async def prepare(self, data: bytes, file_name: str) -> common_pb2.Pixels:
        """The picture in `data`, ready for the encoder.

        Raises:
            Overloaded: too many at once.
            EmptyFile, UnsupportedMediaType, ImageTooLarge, BrokenImage: it is no picture we read.
            ServiceUnavailable: the encoder is away.
        """
        if self._busy >= self._limit:
            raise Overloaded(what="search by picture", retry_after_s=_RETRY_S)
        self._busy += 1
        try:
            spec = self._spec or await self._ask()
            pixels = await asyncio.to_thread(self._pool.prepare, data, spec, file_name)
        finally:
            self._busy -= 1
        return common_pb2.Pixels(data=pixels.tobytes(), count=1, height=spec.size, width=spec.size)

    def suits(self, answered: common_pb2.EncoderSpec) -> bool:
        """Whether the encoder that answered wants pictures as they were prepared last. If not, the
        next one is prepared anew: the index was switched to another encoder meanwhile."""
        if self._spec is not None and self._spec != pixel_spec_of(answered.pixels):
            self._spec = None
        return self._spec is not None

    def forget_spec(self) -> None:
        """Ask again next time."""
        self._spec = None

    async def _ask(self) -> PixelSpec:
        """The spec of the index's encoder; while the index is new, of the settings' encoder."""
        collection = await self._search.GetCollection(
            search_pb2.GetCollectionRequest(), timeout=QUICK_S
        )
        spec = collection.spec
        if not collection.HasField("spec"):
            request = embedding_pb2.GetSpecRequest()
            spec = (await self._embedding.GetSpec(request, timeout=QUICK_S)).spec
        self._spec = pixel_spec_of(spec.pixels)
        return self._spec
