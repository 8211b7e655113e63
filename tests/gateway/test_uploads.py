"""POST /images: what reaches upload_service, and what becomes of files that are refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.gateway.conftest import OpenGateway
from tests.gateway.fake_records import JOB_ID, struct
from tests.gateway.fake_services import FakeServices
from tests.gateway.fake_upload import ReceivedFile
from tests.gateway.forms import CHUNK_BYTES, FORM, field, file, form, send
from tests.gateway.waiting import until
from viewfinder.errors import (
    BrokenImage,
    FileTooLarge,
    ServiceUnavailable,
    StorageFull,
    UnsupportedMediaType,
    ViewfinderError,
)


def refusing(**errors: ViewfinderError) -> Any:
    """Refuses files by the first part of their names."""
    return lambda received: errors.get(received.header.file_name.split(".")[0])


async def test_fields_before_the_files_reach_each_file(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    answer = await send(
        client,
        field("tags", "holiday"),
        field("metadata", '{"customer": "ACME", "year": 2024}'),
        field("job_id", JOB_ID),
        field("file_path", "/home/me/one.jpg"),
        file(b"first", "one.jpg"),
        file(b"second", "two.jpg"),
    )
    assert answer.status_code == 202
    one, two = services.upload.files
    for received in (one, two):
        assert list(received.header.tags) == ["holiday"]
        assert received.header.metadata == struct(customer="ACME", year=2024)
        assert received.header.job_id == JOB_ID
        assert received.is_whole
    assert (one.header.file_name, one.content) == ("one.jpg", b"first")
    assert (two.header.file_name, two.content) == ("two.jpg", b"second")
    # A path is of the next file only.
    assert (one.header.file_path, two.header.file_path) == ("/home/me/one.jpg", "")


async def test_the_answer_names_every_picture(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.upload.duplicates = {"two.jpg"}
    answer = await send(
        client, field("job_id", JOB_ID), file(b"1", "one.jpg"), file(b"2", "two.jpg")
    )
    first = "00000000-0000-4000-8000-000000000001"
    shown = answer.json()
    assert shown["job_id"] == JOB_ID
    assert shown["rejected"] == []
    assert shown["images"][0] == {
        "id": first,
        "url": f"/images/{first}/content",
        "thumbnail_url": f"/images/{first}/content?width=320&format=webp",
        "state": "stored",
        "duplicate": False,
        "file_name": "one.jpg",
        "pages": None,
    }
    assert [image["duplicate"] for image in shown["images"]] == [False, True]


async def test_without_a_job_id_all_files_share_a_new_one(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    answer = await send(client, file(b"1"), file(b"2"))
    assert {one.header.job_id for one in services.upload.files} == {answer.json()["job_id"]}


@pytest.mark.parametrize(
    ("sent", "tags"),
    [
        (["a"], ["a"]),
        (["a, b ,,c"], ["a", "b", "c"]),
        (["a", "b"], ["a", "b"]),
        (['["a, b", "c"]'], ["a, b", "c"]),
        (['["a"]', "b"], ["a", "b"]),
        ([""], []),
        (["\u732b"], ["\u732b"]),
    ],
)
async def test_tags_come_repeated_separated_or_as_json(
    client: httpx.AsyncClient, services: FakeServices, sent: list[str], tags: list[str]
) -> None:
    await send(client, *(field("tags", one) for one in sent), file(b"x"))
    assert list(services.upload.files[0].header.tags) == tags


async def test_tags_and_metadata_after_the_files_are_for_these_files_too(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    await send(client, file(b"x"), field("tags", "a"), field("metadata", '{"b": 1}'))
    asked = services.catalog.last()
    assert asked.id == "00000000-0000-4000-8000-000000000001"
    assert (list(asked.tags.values), asked.metadata) == (["a"], struct(b=1))


async def test_tags_after_the_files_do_not_change_pictures_that_were_here(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.upload.duplicates = {"cat.jpg"}
    assert (await send(client, file(b"x"), field("tags", "a"))).status_code == 202
    assert services.catalog.requests == []


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        ([field("tags", "x" * 101)], "tags"),
        ([field("tags", ",".join("x" for _ in range(101)))], "tags"),
        ([field("tags", "[1, 2]")], "tags"),
        ([field("tags", "[broken")], "tags"),
        ([field("metadata", "{broken")], "metadata"),
        ([field("metadata", "[1]")], "metadata"),
        ([field("metadata", "null")], "metadata"),
        ([field("metadata", '{"a": NaN}')], "metadata"),
        ([field("metadata", '{"a": Infinity}')], "metadata"),
        ([field("metadata", '{"a": 1e999}')], "metadata"),
        ([field("metadata", '{"a": "\\ud800"}')], "metadata"),
        ([field("metadata", '{"\\ud800": 1}')], "metadata"),
        ([field("metadata", '{"a":' * 9 + "1" + "}" * 9)], "metadata"),
        ([field("metadata", "[" * 20_000)], "metadata"),
        ([field("metadata", '{"a": ' + "9" * 5000 + "}")], "metadata"),
        ([field("job_id", "7")], "job_id"),
        ([file(b"x"), field("job_id", JOB_ID)], "job_id"),
        ([field("file_path", "x" * 4097)], "file_path"),
        ([field("colour", "red")], "colour"),
    ],
)
async def test_a_wrong_field_is_a_422_naming_it(
    client: httpx.AsyncClient, parts: list[bytes], name: str
) -> None:
    answer = await send(client, *parts, file(b"x"))
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_request"
    assert name in answer.json()["detail"]


async def test_too_much_metadata_is_a_413(open_gateway: OpenGateway) -> None:
    client = await open_gateway(max_metadata_bytes=50)
    answer = await send(client, field("metadata", json.dumps({"a": "x" * 50})), file(b"x"))
    assert answer.status_code == 413
    assert answer.json()["code"] == "metadata_too_large"


async def test_a_field_that_never_ends_is_not_collected(client: httpx.AsyncClient) -> None:
    answer = await send(client, field("tags", "x" * 100_000), file(b"x"))
    assert answer.status_code == 413
    assert "tags" in answer.json()["detail"]


async def test_one_refused_file_does_not_concern_the_others(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    error = BrokenImage(file_name="bad.jpg", reason="no pixels")
    services.upload.refusal = refusing(bad=error)
    answer = await send(client, file(b"1", "a.jpg"), file(b"2", "bad.jpg"), file(b"3", "c.jpg"))
    assert answer.status_code == 202
    assert [image["file_name"] for image in answer.json()["images"]] == ["a.jpg", "c.jpg"]
    (rejected,) = answer.json()["rejected"]
    assert rejected["file_name"] == "bad.jpg"
    assert rejected["error"]["status"] == 422
    assert rejected["error"]["code"] == "broken_image"
    assert rejected["error"]["fields"] == {"file_name": "bad.jpg", "reason": "no pixels"}


async def test_when_all_are_refused_the_first_reason_is_the_answer(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    found = UnsupportedMediaType(file_name="a.txt", found="text", allowed="pictures")
    services.upload.refusal = refusing(a=found, b=StorageFull(where="/data", reason="full"))
    answer = await send(client, file(b"1", "a.txt"), file(b"2", "b.jpg"))
    assert answer.status_code == 415
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "unsupported_media_type"
    codes = [one["error"]["code"] for one in answer.json()["rejected"]]
    assert codes == ["unsupported_media_type", "storage_full"]


async def test_a_file_refused_early_is_read_to_its_end_and_the_next_is_taken(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    def refusal(received: ReceivedFile) -> ViewfinderError | None:
        is_large = received.header.file_name == "large.jpg" and bool(received.chunks)
        return FileTooLarge(size_bytes=CHUNK_BYTES, limit_bytes=1000) if is_large else None

    services.upload.refusal = refusal
    large = bytes(20 * CHUNK_BYTES)
    answer = await send(client, file(large, "large.jpg"), file(b"x", "small.jpg"))
    assert answer.status_code == 202
    assert answer.json()["rejected"][0]["error"]["code"] == "file_too_large"
    refused, taken = services.upload.files
    assert len(refused.chunks) == 1
    assert (taken.content, taken.is_whole) == (b"x", True)


async def test_nothing_of_a_refused_file_is_kept(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    error = FileTooLarge(size_bytes=CHUNK_BYTES, limit_bytes=1000)
    services.upload.refusal = lambda received: error if received.chunks else None
    body = form(file(bytes(5 * CHUNK_BYTES)))

    async def until_refused() -> AsyncIterator[bytes]:
        yield body[: CHUNK_BYTES + 1000]
        await until(lambda: bool(services.upload.files))
        await services.upload.files[0].is_over.wait()
        await asyncio.sleep(0.1)
        yield body[CHUNK_BYTES + 1000 :]

    answer = await client.post("/images", content=until_refused(), headers=FORM)
    assert answer.status_code == 413

    def is_fed(task: asyncio.Task[Any]) -> bool:
        return "_consume_request_iterator" in repr(task.get_coro())

    await until(lambda: not any(map(is_fed, asyncio.all_tasks())))


async def test_upload_service_away_is_a_503_to_try_again(open_gateway: OpenGateway) -> None:
    client = await open_gateway(upload_address="unix:/nowhere/upload.sock")
    answer = await send(client, file(bytes(5 * CHUNK_BYTES)))
    assert answer.status_code == 503
    assert answer.json()["code"] == "service_unavailable"
    assert answer.json()["fields"]["service"] == "upload_service"
    assert int(answer.headers["retry-after"]) > 0


async def test_upload_service_that_goes_away_in_between_is_a_503(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    away = ServiceUnavailable(service="upload_service")
    services.upload.refusal = lambda received: away if received.chunks else None
    answer = await send(client, file(bytes(5 * CHUNK_BYTES)))
    assert answer.status_code == 503


async def test_too_many_files_are_refused(
    open_gateway: OpenGateway, services: FakeServices
) -> None:
    client = await open_gateway(max_request_files=2)
    answer = await send(client, *[file(b"x")] * 3)
    assert answer.status_code == 422
    assert answer.json()["fields"]["field"] == "files"
    assert len(services.upload.files) == 2
