"""The bytes of pictures: conditional, in part, and never half looking whole."""

from __future__ import annotations

import asyncio
from urllib.parse import unquote

import httpx
import pytest

from gateway.content import byte_range
from tests.gateway.conftest import LiveGateway, OpenGateway
from tests.gateway.fake_records import IMAGE_ID, OTHER_ID, record
from tests.gateway.fake_services import ETAG, FakeServices
from tests.gateway.waiting import until
from viewfinder.errors import BrokenImage, InvalidRequest, RangeNotSatisfiable
from viewfinder.v1 import image_pb2

CONTENT = f"/images/{IMAGE_ID}/content"
RENDITION = f"{CONTENT}?width=320&format=webp"


async def test_an_original_comes_whole_and_may_be_kept(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    answer = await client.get(CONTENT)
    assert answer.status_code == 200
    assert answer.content == services.image.content
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-length"] == "5000"
    assert answer.headers["etag"] == f'"{ETAG}"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert "immutable" in answer.headers["cache-control"]
    assert services.image.last() == image_pb2.GetContentRequest(
        image_id=IMAGE_ID,
        blob_key=f"key-of-{IMAGE_ID}",
        media_type="image/jpeg",
        original=image_pb2.Original(),
    )


async def test_a_rendition_is_asked_for_by_width_and_format(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    answer = await client.get(CONTENT, params={"width": 64, "format": "jpeg"})
    assert answer.content == services.image.rendition
    assert answer.headers["content-type"] == "image/jpeg"
    assert services.image.last().rendition == image_pb2.Rendition(width=64, format="jpeg")


@pytest.mark.parametrize(
    ("query", "rendition"),
    [
        ("width=64", image_pb2.Rendition(width=64, format="webp")),
        ("format=jpeg", image_pb2.Rendition(width=4096, format="jpeg")),
    ],
)
async def test_what_is_not_said_of_a_rendition_has_a_default(
    client: httpx.AsyncClient, services: FakeServices, query: str, rendition: image_pb2.Rendition
) -> None:
    await client.get(f"{CONTENT}?{query}")
    assert services.image.last().rendition == rendition


@pytest.mark.parametrize("query", ["width=0", "width=4097", "width=wide", "format=png"])
async def test_a_wrong_rendition_is_a_422(
    client: httpx.AsyncClient, services: FakeServices, query: str
) -> None:
    assert (await client.get(f"{CONTENT}?{query}")).status_code == 422
    assert services.image.requests == []


async def test_an_unknown_picture_has_no_content(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"/images/{OTHER_ID}/content")).status_code == 404


@pytest.mark.parametrize(
    "tags", [f'"{ETAG}"', f'W/"{ETAG}"', "*", f'"x", "{ETAG}"', f'W/"x",W/"{ETAG}"']
)
@pytest.mark.parametrize("address", [CONTENT, RENDITION])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_who_has_it_already_gets_a_304(
    client: httpx.AsyncClient, tags: str, address: str, method: str
) -> None:
    answer = await client.request(method, address, headers={"If-None-Match": tags})
    assert answer.status_code == 304
    assert answer.content == b""
    assert answer.headers["etag"] == f'"{ETAG}"'
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize("tags", ['"other"', ETAG, ""])
async def test_who_has_something_else_gets_it_whole(
    client: httpx.AsyncClient, services: FakeServices, tags: str
) -> None:
    answer = await client.get(CONTENT, headers={"If-None-Match": tags})
    assert answer.status_code == 200
    assert answer.content == services.image.content


async def test_a_condition_comes_before_a_range(client: httpx.AsyncClient) -> None:
    headers = {"If-None-Match": f'"{ETAG}"', "Range": "bytes=0-9"}
    assert (await client.get(CONTENT, headers=headers)).status_code == 304


async def test_head_says_the_same_without_the_bytes(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    head, whole = await client.head(CONTENT), await client.get(CONTENT)
    assert head.content == b""
    varying = {"x-request-id"}
    assert {k: v for k, v in head.headers.items() if k not in varying} == {
        k: v for k, v in whole.headers.items() if k not in varying
    }
    assert services.image.requests[0].head_only


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=2000-2999", 2000, 3000),
        ("bytes=4990-", 4990, 5000),
        ("bytes=4990-9999", 4990, 5000),
        ("bytes=-10", 4990, 5000),
        ("bytes=-9999", 0, 5000),
    ],
)
async def test_a_range_is_answered_with_exactly_it(
    client: httpx.AsyncClient, services: FakeServices, asked: str, start: int, end: int
) -> None:
    answer = await client.get(CONTENT, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == services.image.content[start:end]
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/5000"
    assert answer.headers["content-length"] == str(end - start)


@pytest.mark.parametrize("asked", ["bytes=5000-", "bytes=5000-6000", "bytes=-0"])
async def test_a_range_outside_of_the_content_is_a_416_that_says_the_size(
    client: httpx.AsyncClient, asked: str
) -> None:
    answer = await client.get(CONTENT, headers={"Range": asked})
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == "bytes */5000"


@pytest.mark.parametrize(
    "asked", ["bytes=0-1,5-6", "bytes=9-5", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=0-1-2", ""]
)
async def test_a_range_that_is_not_understood_is_ignored(
    client: httpx.AsyncClient, services: FakeServices, asked: str
) -> None:
    answer = await client.get(CONTENT, headers={"Range": asked})
    assert answer.status_code == 200
    assert answer.content == services.image.content


async def test_a_rendition_has_no_ranges(client: httpx.AsyncClient, services: FakeServices) -> None:
    answer = await client.get(RENDITION, headers={"Range": "bytes=0-1"})
    assert answer.status_code == 200
    assert answer.content == services.image.rendition
    assert "accept-ranges" not in answer.headers


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        (f'"{ETAG}"', 206),
        ('"other"', 200),
        (f'W/"{ETAG}"', 200),
        ("Sat, 01 Jan 2022 00:00:00 GMT", 200),
    ],
)
async def test_a_range_of_another_version_is_the_whole(
    client: httpx.AsyncClient, condition: str, status: int
) -> None:
    headers = {"Range": "bytes=0-1", "If-Range": condition}
    assert (await client.get(CONTENT, headers=headers)).status_code == status


def test_a_range_is_an_offset_and_a_length() -> None:
    assert byte_range("bytes=2-4", 10) == (2, 3)
    with pytest.raises(RangeNotSatisfiable):
        byte_range("bytes=0-", 0)


@pytest.mark.parametrize(
    "name",
    ["Grüße 猫.jpg", 'a"b\\c.jpg', "a\r\nSet-Cookie: x=1.jpg", "\u202egpj.exe", "../../x", ""],
)
async def test_a_name_is_offered_for_saving_in_ascii_only(
    client: httpx.AsyncClient, services: FakeServices, name: str
) -> None:
    services.catalog.records[IMAGE_ID] = record(file_name=name)
    answer = await client.get(CONTENT)
    disposition = answer.headers["content-disposition"]
    prefix = "inline; filename*=UTF-8''"
    assert disposition.startswith(prefix)
    assert disposition.isascii()
    assert unquote(disposition.removeprefix(prefix)) == name
    assert "set-cookie" not in answer.headers


async def test_a_rendition_is_offered_under_the_ending_of_its_format(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.catalog.records[IMAGE_ID] = record(file_name="cat.v2.heic")
    answer = await client.get(f"{CONTENT}?format=jpeg")
    assert answer.headers["content-disposition"].endswith("''cat.v2.jpg")


async def test_content_runs_nothing_in_a_browser(client: httpx.AsyncClient) -> None:
    headers = (await client.get(CONTENT)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")


async def test_with_a_key_no_shared_cache_keeps_pictures(open_gateway: OpenGateway) -> None:
    client = await open_gateway(api_key="sesame")
    answer = await client.get(CONTENT, headers={"X-API-Key": "sesame"})
    assert answer.headers["cache-control"].startswith("private")


async def test_a_rendition_that_cannot_be_made_is_a_problem(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.image.failure = BrokenImage(file_name="cat.jpg", reason="no pixels")
    answer = await client.get(RENDITION)
    assert (answer.status_code, answer.json()["code"]) == (422, "broken_image")


async def test_a_width_that_image_service_does_not_offer_is_a_problem(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.image.failure = InvalidRequest(field="width", value="5", allowed="64, 320")
    assert (await client.get(RENDITION)).status_code == 422


async def test_image_service_away_is_a_503(open_gateway: OpenGateway) -> None:
    client = await open_gateway(image_address="unix:/nowhere/image.sock")
    assert (await client.get(CONTENT)).status_code == 503


async def test_content_that_breaks_in_the_middle_does_not_look_complete(
    live: LiveGateway, services: FakeServices
) -> None:
    services.image.breaks_after = 2
    with pytest.raises(httpx.RemoteProtocolError):
        await live.client.get(CONTENT)


async def test_who_stops_reading_stops_image_service(
    live: LiveGateway, services: FakeServices
) -> None:
    services.image.content = bytes(100 << 20)
    services.catalog.records[IMAGE_ID] = record(size_bytes=100 << 20)
    reader, writer = await live.connect()
    writer.write(f"GET {CONTENT} HTTP/1.1\r\nHost: 127.0.0.1:{live.port}\r\n\r\n".encode())
    await reader.read(1000)
    writer.transport.abort()
    await until(lambda: services.image.open_streams == 0)
    assert services.image.sent_bytes < 50 << 20


async def test_many_readers_share_the_gateway(live: LiveGateway, services: FakeServices) -> None:
    answers = await asyncio.gather(*(live.client.get(CONTENT) for _ in range(20)))
    assert all(answer.content == services.image.content for answer in answers)
