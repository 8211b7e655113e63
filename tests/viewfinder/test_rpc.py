import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from viewfinder import rpc
from viewfinder.errors import (
    DeadlineExceeded,
    ImageNotFound,
    ImageTooLarge,
    InternalError,
    ServiceUnavailable,
)
from viewfinder.rpc_server import RpcServer
from viewfinder.telemetry import bind_request_id, current_request_id
from viewfinder.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    image_pb2,
    image_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
)


class FakeSearch(search_pb2_grpc.SearchServiceServicer):
    """Each call shows one thing that crosses the border."""

    def __init__(self) -> None:
        self.request_ids: list[str] = []
        self.failures_left = 0
        self.calls = 0

    async def Search(self, request: Any, context: Any) -> search_pb2.SearchResponse:
        self.request_ids.append(current_request_id())
        left = rpc.remaining_s()
        return search_pb2.SearchResponse(embed_ms=-1.0 if left is None else left)

    async def GetCollection(self, request: Any, context: Any) -> search_pb2.Collection:
        raise ImageTooLarge(width=1, height=2, limit_pixels=3)

    async def Upsert(self, request: Any, context: Any) -> search_pb2.UpsertResponse:
        raise KeyError("a defect")

    async def DeletePoints(self, request: Any, context: Any) -> search_pb2.DeletePointsResponse:
        await asyncio.sleep(30)
        return search_pb2.DeletePointsResponse()

    async def SetPayload(self, request: Any, context: Any) -> search_pb2.SetPayloadResponse:
        self.calls += 1
        if self.failures_left:
            self.failures_left -= 1
            raise ServiceUnavailable(service="embedding_service")
        return search_pb2.SetPayloadResponse(epoch=5)


class FakeImages(image_pb2_grpc.ImageServiceServicer):
    async def GetContent(self, request: Any, context: Any) -> AsyncIterator[Any]:
        yield image_pb2.GetContentResponse(chunk=b"first")
        raise ImageNotFound(image_id="gone")


@pytest.fixture
async def search() -> FakeSearch:
    return FakeSearch()


@pytest.fixture
async def address(tmp_path: Path, search: FakeSearch) -> AsyncIterator[str]:
    address = f"unix:{tmp_path}/s.sock"
    server = RpcServer(address, grace_s=1)
    server.add(
        search_pb2_grpc.add_SearchServiceServicer_to_server, search, "viewfinder.v1.SearchService"
    )
    server.add(
        image_pb2_grpc.add_ImageServiceServicer_to_server,
        FakeImages(),
        "viewfinder.v1.ImageService",
    )
    ready = asyncio.Event()
    running = asyncio.create_task(server.run(on_ready=ready.set))
    await ready.wait()
    yield address
    server.stop()
    await running


@pytest.fixture
async def channel(address: str) -> AsyncIterator[grpc.aio.Channel]:
    async with rpc.open_channel(address, "search_service") as channel:
        yield channel


async def test_an_error_arrives_as_the_class_and_fields_that_were_raised(
    channel: grpc.aio.Channel,
) -> None:
    with pytest.raises(ImageTooLarge) as caught:
        await search_pb2_grpc.SearchServiceStub(channel).GetCollection(
            search_pb2.GetCollectionRequest()
        )
    assert caught.value.field_values() == {"width": 1, "height": 2, "limit_pixels": 3}


async def test_a_defect_arrives_as_internal_and_tells_nothing_of_the_inside(
    channel: grpc.aio.Channel,
) -> None:
    with pytest.raises(InternalError) as caught:
        await search_pb2_grpc.SearchServiceStub(channel).Upsert(search_pb2.UpsertRequest())
    assert "defect" not in str(caught.value)


async def test_an_error_in_the_middle_of_a_stream_arrives_after_what_was_sent(
    channel: grpc.aio.Channel,
) -> None:
    parts = image_pb2_grpc.ImageServiceStub(channel).GetContent(image_pb2.GetContentRequest())
    assert (await anext(aiter(parts))).chunk == b"first"
    with pytest.raises(ImageNotFound):
        await anext(aiter(parts))


async def test_a_call_without_a_timeout_gets_one(channel: grpc.aio.Channel) -> None:
    response = await search_pb2_grpc.SearchServiceStub(channel).Search(search_pb2.SearchRequest())
    assert 0 < response.embed_ms <= rpc.DEFAULT_TIMEOUT_S + 0.1  # the clocks of both sides differ


async def test_a_call_never_outlives_the_request_it_serves(channel: grpc.aio.Channel) -> None:
    rpc.set_deadline(1.5)
    response = await search_pb2_grpc.SearchServiceStub(channel).Search(
        search_pb2.SearchRequest(), timeout=60
    )
    assert response.embed_ms <= 1.6


async def test_a_call_that_takes_too_long_says_so(channel: grpc.aio.Channel) -> None:
    with pytest.raises(DeadlineExceeded):
        await search_pb2_grpc.SearchServiceStub(channel).DeletePoints(
            search_pb2.DeletePointsRequest(), timeout=0.2
        )


async def test_the_request_id_travels(channel: grpc.aio.Channel, search: FakeSearch) -> None:
    bind_request_id("abc-123")
    await search_pb2_grpc.SearchServiceStub(channel).Search(search_pb2.SearchRequest())
    assert search.request_ids == ["abc-123"]


async def test_an_unsafe_request_id_is_replaced() -> None:
    assert bind_request_id("two\nlines") != "two\nlines"


async def test_unavailable_is_tried_again(channel: grpc.aio.Channel, search: FakeSearch) -> None:
    search.failures_left = 2
    response = await search_pb2_grpc.SearchServiceStub(channel).SetPayload(
        search_pb2.SetPayloadRequest()
    )
    assert response.epoch == 5
    assert search.calls == 3


async def test_a_dead_peer_is_a_service_that_is_unavailable(tmp_path: Path) -> None:
    async with rpc.open_channel(f"unix:{tmp_path}/nobody.sock", "search_service") as channel:
        with pytest.raises(ServiceUnavailable) as caught:
            await search_pb2_grpc.SearchServiceStub(channel).Search(
                search_pb2.SearchRequest(), timeout=2
            )
    assert caught.value.service == "search_service"


async def test_a_stream_that_broke_while_sending_is_a_service_that_is_unavailable() -> None:
    nothing = grpc.aio.Metadata()
    broke = grpc.aio.AioRpcError(
        grpc.StatusCode.INTERNAL,
        nothing,
        nothing,
        details="Internal error from Core",
        debug_error_string='Failed "execute_batch"',
    )
    assert isinstance(rpc.error_of(broke, "upload_service"), ServiceUnavailable)


async def test_waiting_for_a_connection_ends_when_it_is_there(address: str) -> None:
    async with rpc.open_channel(address, "search_service", retries=False) as channel:
        await rpc.wait_until_connected(channel, "search_service", timeout_s=30)
        assert channel.get_state() is grpc.ChannelConnectivity.READY


async def test_waiting_for_a_connection_to_nobody_says_so(tmp_path: Path) -> None:
    async with rpc.open_channel(f"unix:{tmp_path}/none.sock", "upload_service") as channel:
        with pytest.raises(ServiceUnavailable, match="upload_service"):
            await rpc.wait_until_connected(channel, "upload_service", timeout_s=0.2)


async def test_another_service_at_the_address_is_waited_out(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/swapped.sock"

    def images(server: RpcServer) -> None:
        register = image_pb2_grpc.add_ImageServiceServicer_to_server
        server.add(register, FakeImages(), "viewfinder.v1.ImageService")

    def search(server: RpcServer) -> None:
        register = search_pb2_grpc.add_SearchServiceServicer_to_server
        server.add(register, FakeSearch(), "viewfinder.v1.SearchService")

    async with rpc.open_channel(address, "search_service") as channel:
        async with _serving(address, images):
            call = asyncio.ensure_future(
                search_pb2_grpc.SearchServiceStub(channel).Search(
                    search_pb2.SearchRequest(), timeout=20, wait_for_ready=True
                )
            )
            assert not (await asyncio.wait([call], timeout=0.5))[0]
        async with _serving(address, search):
            await call


async def test_a_peer_without_the_method_is_one_to_try_later(channel: grpc.aio.Channel) -> None:
    with pytest.raises(ServiceUnavailable):
        await catalog_pb2_grpc.CatalogServiceStub(channel).GetJob(catalog_pb2.GetJobRequest())


@asynccontextmanager
async def _serving(address: str, register: Callable[[RpcServer], None]) -> AsyncIterator[None]:
    server, ready = RpcServer(address, grace_s=1), asyncio.Event()
    register(server)
    running = asyncio.create_task(server.run(on_ready=ready.set))
    await ready.wait()
    yield
    server.stop()
    await running


async def test_the_blocking_channel_knows_the_same_errors(address: str) -> None:
    def call() -> None:
        with rpc.open_blocking_channel(address, "search_service") as channel:
            search_pb2_grpc.SearchServiceStub(channel).GetCollection(
                search_pb2.GetCollectionRequest()
            )

    with pytest.raises(ImageTooLarge):
        await asyncio.to_thread(call)


async def test_health_names_every_service(channel: grpc.aio.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    for name in ("", "viewfinder.v1.SearchService", "viewfinder.v1.ImageService"):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_reflection_lists_the_services(address: str) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        async for answer in stub.ServerReflectionInfo(iter([request])):
            names = {service.name for service in answer.list_services_response.service}
            assert {"viewfinder.v1.SearchService", "grpc.health.v1.Health"} <= names
            break
