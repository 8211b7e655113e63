"""The adapter: protobuf <-> ContentSource."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc

from image_service.content import Content, ContentSource, parse_format
from image_service.heat_overlay import Box
from image_service.heatmaps import WantedHeatmap
from image_service.original import Original
from viewfinder.errors import InvalidRequest
from viewfinder.v1 import image_pb2, image_pb2_grpc


class ImageServicer(image_pb2_grpc.ImageServiceServicer):
    """viewfinder.v1.ImageService."""

    def __init__(self, source: ContentSource) -> None:
        self._source = source

    async def GetContent(
        self,
        request: image_pb2.GetContentRequest,
        context: grpc.aio.ServicerContext[
            image_pb2.GetContentRequest, image_pb2.GetContentResponse
        ],
    ) -> AsyncIterator[image_pb2.GetContentResponse]:
        """The head, then the bytes in chunks."""
        content = await self._content(request)
        head = image_pb2.ContentHead(
            media_type=content.media_type,
            size_bytes=content.size_bytes,
            offset=content.offset,
            length=content.length,
            etag=content.etag,
        )
        yield image_pb2.GetContentResponse(head=head)
        if request.head_only:
            return
        async for chunk in content.chunks:
            yield image_pb2.GetContentResponse(chunk=chunk)

    async def DropRenditions(
        self,
        request: image_pb2.DropRenditionsRequest,
        context: grpc.aio.ServicerContext[
            image_pb2.DropRenditionsRequest, image_pb2.DropRenditionsResponse
        ],
    ) -> image_pb2.DropRenditionsResponse:
        """Drop the cached renditions of these ids."""
        await self._source.drop_renditions(list(request.image_ids))
        return image_pb2.DropRenditionsResponse()

    async def _content(self, request: image_pb2.GetContentRequest) -> Content:
        match request.WhichOneof("what"):
            case "original":
                part = request.original
                return await self._source.original(
                    request.image_id, request.blob_key, request.media_type, part.offset, part.length
                )
            case "rendition":
                wanted = request.rendition
                return await self._source.rendition(
                    request.image_id, _original(request), wanted.width, wanted.format
                )
            case "heatmap":
                return await self._source.heatmap(
                    request.image_id, _original(request), _wanted(request.heatmap)
                )
            case _:
                raise InvalidRequest(
                    field="what", value="empty", allowed="original, rendition, heatmap"
                )


def _original(request: image_pb2.GetContentRequest) -> Original:
    return Original(request.blob_key, request.page, request.password)


def _wanted(message: image_pb2.Heatmap) -> WantedHeatmap:
    if message.width < 1:
        raise InvalidRequest(field="width", value=str(message.width), allowed="1 or more")
    return WantedHeatmap(
        query=message.query,
        encoder=message.encoder,
        boxes=tuple(Box(one.left, one.top, one.right, one.bottom) for one in message.boxes),
        width=message.width,
        format=parse_format(message.format),
    )
