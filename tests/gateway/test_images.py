"""What is known of pictures, changing and removing them."""

from __future__ import annotations

import httpx
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tests.gateway.conftest import OpenGateway
from tests.gateway.fake_records import IMAGE_ID, OTHER_ID, record, struct
from tests.gateway.fake_services import FakeServices
from viewfinder.errors import ImageNotFound, ServiceUnavailable
from viewfinder.v1 import catalog_pb2


async def test_a_record_is_shown_with_all_that_is_known(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    exif = catalog_pb2.Exif(
        taken_at="2024-05-01T10:00:00", camera_make="Nokia", latitude=0.0, longitude=-7.5
    )
    services.catalog.records[IMAGE_ID] = record(
        tags=["holiday"],
        metadata=struct(
            customer="ACME", count=3, share=0.5, ok=True, nothing=None, deep={"a": [1]}
        ),
        exif=exif,
        file_path="/home/me/cat.jpg",
        uploaded_at=Timestamp(seconds=1_700_000_000),
    )
    answer = await client.get(f"/images/{IMAGE_ID}")
    assert answer.status_code == 200
    assert answer.json() == {
        "id": IMAGE_ID,
        "url": f"/images/{IMAGE_ID}/content",
        "thumbnail_url": f"/images/{IMAGE_ID}/content?width=320&format=webp",
        "kind": "picture",
        "document_id": None,
        "document_url": None,
        "page": None,
        "pages": None,
        "pages_done": None,
        "text_source": None,
        "state": "indexed",
        "failure": None,
        "file_name": "cat.jpg",
        "file_path": "/home/me/cat.jpg",
        "media_type": "image/jpeg",
        "size_bytes": 5000,
        "width": 640,
        "height": 480,
        "tags": ["holiday"],
        "description": None,
        "metadata": {
            "customer": "ACME",
            "count": 3,
            "share": 0.5,
            "ok": True,
            "nothing": None,
            "deep": {"a": [1]},
        },
        "exif": {
            "taken_at": "2024-05-01T10:00:00",
            "camera_make": "Nokia",
            "camera_model": None,
            "latitude": 0.0,
            "longitude": -7.5,
            "orientation": None,
        },
        "sha256": "ab" * 32,
        "uploaded_at": "2023-11-14T22:13:20Z",
        "indexed_at": None,
    }


async def test_whole_numbers_in_metadata_stay_whole(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.catalog.records[IMAGE_ID] = record(metadata=struct(count=3))
    assert '"count":3}' in (await client.get(f"/images/{IMAGE_ID}")).text


async def test_the_urls_of_answers_start_with_the_public_url(open_gateway: OpenGateway) -> None:
    client = await open_gateway(public_url="https://pictures.example/")
    shown = (await client.get(f"/images/{IMAGE_ID}")).json()
    assert shown["url"] == f"https://pictures.example/images/{IMAGE_ID}/content"


async def test_an_unknown_picture_is_a_404(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/images/{OTHER_ID}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "image_not_found"
    assert answer.json()["fields"] == {"image_id": OTHER_ID}


@pytest.mark.parametrize("path", ["", "/content", "/similar"])
async def test_a_picture_being_deleted_is_a_404(
    client: httpx.AsyncClient, services: FakeServices, path: str
) -> None:
    services.catalog.records[IMAGE_ID] = record(state="deleting")
    answer = await client.get(f"/images/{IMAGE_ID}{path}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "image_not_found"


@pytest.mark.parametrize("image_id", ["1", "not-a-uuid", "..%2f..%2fetc"])
async def test_an_id_that_is_no_uuid_is_refused_before_anybody_is_asked(
    client: httpx.AsyncClient, services: FakeServices, image_id: str
) -> None:
    answer = await client.get(f"/images/{image_id}")
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert services.catalog.requests == []


async def test_the_catalogue_is_asked_for_the_page_that_was_asked_for(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.catalog.page = catalog_pb2.ListImagesResponse(
        images=[record()], next_cursor="there", total=9
    )
    query = {"limit": 7, "cursor": "here", "state": ["failed", "stored"], "tag": ["a", "b"]}
    answer = await client.get("/images", params=query)
    assert services.catalog.last() == catalog_pb2.ListImagesRequest(
        limit=7, cursor="here", states=["failed", "stored"], tags=["a", "b"]
    )
    assert answer.json()["next_cursor"] == "there"
    assert answer.json()["total"] == 9
    assert [image["id"] for image in answer.json()["images"]] == [IMAGE_ID]


async def test_the_last_page_has_no_cursor(client: httpx.AsyncClient) -> None:
    assert (await client.get("/images")).json() == {"images": [], "next_cursor": None, "total": 0}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"cursor": "x" * 513}, "cursor"),
        ({"state": "lost"}, "state.0"),
        ({"tag": ""}, "tag.0"),
        ({"tag": "x" * 101}, "tag.0"),
        ({"tag": ["x"] * 101}, "tag"),
    ],
)
async def test_a_wrong_question_for_a_list_is_a_422_naming_the_field(
    client: httpx.AsyncClient, query: dict[str, object], field: str
) -> None:
    answer = await client.get("/images", params=query)
    assert answer.status_code == 422
    assert answer.json()["fields"]["field"] == field


async def test_a_lookup_tells_known_pictures_and_hides_those_being_deleted(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    gone = "16fd2706-8baf-433b-82eb-8c7fada847da"
    services.catalog.records[gone] = record(gone, state="deleting")
    services.catalog.records[IMAGE_ID] = record(state="failed", failure="broken")
    answer = await client.post("/images/lookup", json={"ids": [IMAGE_ID, OTHER_ID, gone]})
    assert answer.json() == {
        "images": [{"id": IMAGE_ID, "state": "failed", "failure": "broken", "file_name": "cat.jpg"}]
    }


async def test_a_lookup_of_more_than_a_thousand_ids_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/images/lookup", json={"ids": [IMAGE_ID] * 1001})
    assert answer.status_code == 422
    assert answer.json()["fields"]["field"] == "ids"


async def test_new_tags_leave_the_metadata_alone(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    answer = await client.patch(f"/images/{IMAGE_ID}", json={"tags": [" a ", "b"]})
    assert answer.status_code == 200
    asked = services.catalog.last()
    assert list(asked.tags.values) == ["a", "b"]
    assert not asked.HasField("metadata")


async def test_no_tags_replaces_the_tags_by_none(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    await client.patch(f"/images/{IMAGE_ID}", json={"tags": []})
    assert services.catalog.last().HasField("tags")


async def test_new_metadata_leaves_the_tags_alone(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    await client.patch(f"/images/{IMAGE_ID}", json={"metadata": {"customer": "ACME"}})
    asked = services.catalog.last()
    assert asked.metadata == struct(customer="ACME")
    assert not asked.HasField("tags")


async def test_no_metadata_replaces_the_metadata_by_none(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    await client.patch(f"/images/{IMAGE_ID}", json={"metadata": {}})
    assert services.catalog.last().HasField("metadata")


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"tags": None},
        {"tags": ["x" * 101]},
        {"tags": [""]},
        {"tags": ["x"] * 101},
        {"tags": "x"},
        {"metadata": []},
        {"metadata": {"": 1}},
        {"metadata": {"k" * 129: 1}},
        {"metadata": {"n": 2**53 + 1}},
        {"file_name": "other.jpg"},
    ],
)
async def test_a_wrong_change_is_refused_and_nothing_is_changed(
    client: httpx.AsyncClient, services: FakeServices, change: dict[str, object]
) -> None:
    answer = await client.patch(f"/images/{IMAGE_ID}", json=change)
    assert answer.status_code == 422
    assert services.catalog.requests == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"metadata": {"n": NaN}}',
        b'{"metadata": {"n": 1e400}}',
        b'{"metadata": {"n": "\\ud800"}}',
        b'{"metadata": {"\\ud800": 1}}',
        b'{"tags": ["\\ud800"]}',
        b'{"metadata": ' + b'{"a":' * 9 + b"1" + b"}" * 10,
        b'{"metadata": ' + b"[" * 100_000,
        b'{"metadata": {"n": ' + b"9" * 5000 + b"}}",
        b'{"tags": ["a"',
        b"\xff\xfe",
        b"",
    ],
    ids=lambda body: repr(body[:30]),
)
async def test_json_that_cannot_be_kept_is_refused(
    client: httpx.AsyncClient, services: FakeServices, body: bytes
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await client.patch(f"/images/{IMAGE_ID}", content=body, headers=headers)
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert services.catalog.requests == []


async def test_too_much_metadata_is_refused(open_gateway: OpenGateway) -> None:
    client = await open_gateway(max_metadata_bytes=100)
    answer = await client.patch(f"/images/{IMAGE_ID}", json={"metadata": {"a": "x" * 100}})
    assert answer.status_code == 413
    assert answer.json()["code"] == "metadata_too_large"


async def test_a_body_beyond_the_limit_is_refused(open_gateway: OpenGateway) -> None:
    client = await open_gateway(max_body_bytes=1024)
    answer = await client.patch(f"/images/{IMAGE_ID}", json={"metadata": {"a": "x" * 2000}})
    assert answer.status_code == 413
    assert answer.json()["code"] == "request_too_large"


async def test_a_body_of_undeclared_length_beyond_the_limit_is_refused(
    open_gateway: OpenGateway,
) -> None:
    client = await open_gateway(max_body_bytes=1024)

    async def body() -> object:
        for _ in range(100):
            yield b" " * 100

    answer = await client.patch(
        f"/images/{IMAGE_ID}", content=body(), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413
    assert answer.json()["code"] == "request_too_large"


async def test_a_deleted_picture_leaves_catalogue_and_index(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    answer = await client.delete(f"/images/{IMAGE_ID}")
    assert answer.status_code == 204
    assert answer.content == b""
    assert services.catalog.last().id == IMAGE_ID
    assert list(services.search.last().ids) == [IMAGE_ID]


async def test_deleting_does_not_need_the_index(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.search.failure = ServiceUnavailable(service="search_service")
    assert (await client.delete(f"/images/{IMAGE_ID}")).status_code == 204


async def test_an_unknown_picture_cannot_be_deleted(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    answer = await client.delete(f"/images/{OTHER_ID}")
    assert answer.status_code == 404
    assert services.search.requests == []


async def test_an_unknown_picture_cannot_be_changed(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.catalog.failure = ImageNotFound(image_id=OTHER_ID)
    answer = await client.patch(f"/images/{OTHER_ID}", json={"tags": []})
    assert answer.status_code == 404
