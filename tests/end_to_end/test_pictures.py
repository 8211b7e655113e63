"""The main job through a whole running Viewfinder, as a user of the REST interface does it."""

from __future__ import annotations

import asyncio
import base64
import io
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.end_to_end.conftest import Stack
from viewfinder.api_models import Job, UploadAccepted
from viewfinder.client import FileToUpload
from viewfinder.errors import ImageNotFound, JobNotFound, UnknownFilterKey

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow,  # starts all services once
]

Jpeg = Callable[..., bytes]


def _wait(stack: Stack, job_id: str) -> Job:
    *_, last = stack.client.watch_job(job_id)
    return last


def _upload(
    stack: Stack, content: bytes, name: str = "picture.jpg", tags: list[str] | None = None
) -> UploadAccepted:
    return stack.client.upload([FileToUpload(content, file_name=name)], tags=tags or [])


def test_a_picture_is_found_by_describing_it(stack: Stack, jpeg: Jpeg) -> None:
    tag = uuid.uuid4().hex
    jobs = [
        _upload(stack, jpeg(sample), f"{sample}.jpg", [tag]).job_id
        for sample in ("cat", "coffee", "rocket", "astronaut")
    ]
    assert [_wait(stack, job).indexed for job in jobs] == [1, 1, 1, 1]
    for query, expected in (("a cat", "cat.jpg"), ("a cup of coffee", "coffee.jpg")):
        best = stack.client.search(query, filters={"tags": tag}).results[0]
        assert best.metadata.file_name == expected


def test_what_was_uploaded_comes_back_to_the_byte(stack: Stack, jpeg: Jpeg) -> None:
    content = jpeg()
    accepted = _upload(stack, content).images[0]
    assert stack.client.content(accepted.id).data == content


def test_a_thumbnail_is_small_webp_and_is_not_sent_twice(stack: Stack, jpeg: Jpeg) -> None:
    accepted = _upload(stack, jpeg("astronaut")).images[0]
    url = f"{stack.api_url}{accepted.thumbnail_url}"
    first = httpx.get(url)
    assert first.headers["content-type"] == "image/webp"
    assert Image.open(io.BytesIO(first.content)).width == 320
    again = httpx.get(url, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""


def test_a_part_of_an_original_can_be_asked_for(stack: Stack, jpeg: Jpeg) -> None:
    content = jpeg()
    accepted = _upload(stack, content).images[0]
    part = httpx.get(f"{stack.api_url}{accepted.url}", headers={"Range": "bytes=10-19"})
    assert part.status_code == 206
    assert part.content == content[10:20]
    beyond = httpx.get(f"{stack.api_url}{accepted.url}", headers={"Range": "bytes=99999999-"})
    assert beyond.status_code == 416


def test_a_picture_turned_by_its_camera_is_shown_upright(stack: Stack) -> None:
    lying = Image.new("RGB", (200, 100), "red")
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    lying.save(buffer, "JPEG", exif=exif, comment=uuid.uuid4().bytes)
    accepted = _upload(stack, buffer.getvalue()).images[0]
    record = stack.client.image(accepted.id)
    assert (record.width, record.height) == (100, 200)
    shown = stack.client.content(accepted.id, width=320, format="webp")
    assert Image.open(io.BytesIO(shown.data)).size == (100, 200)


def test_json_with_base64_is_an_upload_too(stack: Stack, jpeg: Jpeg) -> None:
    body = {"filename": "b64.jpg", "image_base64": base64.b64encode(jpeg()).decode()}
    answer = httpx.post(f"{stack.api_url}/images", json=body)
    assert answer.status_code == 202
    assert _wait(stack, answer.json()["job_id"]).indexed == 1


def test_fifty_uploads_of_the_same_bytes_at_once_are_one_picture(stack: Stack, jpeg: Jpeg) -> None:
    content, tag = jpeg(), uuid.uuid4().hex
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: _upload(stack, content, tags=[tag]), range(50)))
    ids = {answer.images[0].id for answer in answers}
    assert len(ids) == 1
    assert sum(not answer.images[0].duplicate for answer in answers) == 1
    for answer in answers:
        _wait(stack, answer.job_id)
    assert stack.client.images(tag=tag).total == 1
    assert len(stack.client.search("noise", filters={"tags": tag}, top_k=100).results) == 1
    if stack.data_dir is not None:
        digest = stack.client.image(ids.pop()).sha256
        blobs = list((stack.data_dir / "originals").rglob(f"*{digest}*"))
        assert len(blobs) == 1


def test_a_search_by_picture_finds_the_same_picture(stack: Stack, jpeg: Jpeg) -> None:
    content = jpeg("rocket")
    accepted = _upload(stack, content)
    _wait(stack, accepted.job_id)
    best = stack.client.search_by_image(content, file_name="query.jpg").results[0]
    assert best.score > 0.98


def test_a_picture_is_relevant_to_what_it_shows_and_to_nothing_else(
    stack: Stack, jpeg: Jpeg
) -> None:
    tag = uuid.uuid4().hex
    accepted = _upload(stack, jpeg("cat"), tags=[tag])
    _wait(stack, accepted.job_id)

    def found(query: str) -> list[str]:
        answer = stack.client.search(query, filters={"tags": tag}, min_relevance=0.5)
        assert all((hit.relevance or 0) >= 0.5 for hit in answer.results)
        return [hit.id for hit in answer.results]

    assert found("a cat") == [accepted.images[0].id]
    assert found("a motorcycle in a garage") == []


def test_more_like_this_leaves_the_picture_itself_out(stack: Stack, jpeg: Jpeg) -> None:
    accepted = _upload(stack, jpeg("cat"))
    _wait(stack, accepted.job_id)
    image_id = accepted.images[0].id
    assert image_id not in {hit.id for hit in stack.client.similar(image_id, top_k=100).results}


def test_new_tags_are_searchable(stack: Stack, jpeg: Jpeg) -> None:
    accepted = _upload(stack, jpeg())
    _wait(stack, accepted.job_id)
    image_id, tag = accepted.images[0].id, uuid.uuid4().hex
    stack.client.update(image_id, tags=[tag], metadata={"customer": "ACME"})

    async def found() -> None:
        filters = {"tags": [tag], "metadata.customer": "ACME"}
        while not stack.client.search("anything", filters=filters).results:
            await asyncio.sleep(0.05)

    asyncio.run(asyncio.wait_for(found(), timeout=20))


def test_a_deleted_picture_is_gone_everywhere(stack: Stack, jpeg: Jpeg) -> None:
    content, tag = jpeg(), uuid.uuid4().hex
    accepted = _upload(stack, content, tags=[tag])
    _wait(stack, accepted.job_id)
    image_id = accepted.images[0].id
    stack.client.delete(image_id)
    with pytest.raises(ImageNotFound):
        stack.client.image(image_id)
    with pytest.raises(ImageNotFound):
        stack.client.content(image_id)
    assert stack.client.search("anything", filters={"tags": tag}).results == []


def test_a_deleted_picture_can_come_back(stack: Stack, jpeg: Jpeg) -> None:
    content, tag = jpeg(), uuid.uuid4().hex
    accepted = _upload(stack, content)
    _wait(stack, accepted.job_id)
    stack.client.delete(accepted.images[0].id)
    again = _upload(stack, content, tags=[tag])
    assert _wait(stack, again.job_id).indexed == 1
    assert again.images[0].id == accepted.images[0].id
    assert len(stack.client.search("anything", filters={"tags": tag}).results) == 1
    assert stack.client.content(again.images[0].id).data == content


def test_unknown_things_are_a_404_with_a_code(stack: Stack) -> None:
    with pytest.raises(ImageNotFound):
        stack.client.image(uuid.uuid4())
    with pytest.raises(JobNotFound):
        stack.client.job(str(uuid.uuid4()))
    answer = httpx.get(f"{stack.api_url}/images/{uuid.uuid4()}/content")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "image_not_found"


def test_an_unknown_filter_key_is_refused_and_named(stack: Stack) -> None:
    with pytest.raises(UnknownFilterKey) as caught:
        stack.client.search("a cat", filters={"colour": "red"})
    assert "colour" in str(caught.value)
    assert "tags" in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        {"query": ""},
        {"query": "x" * 513},
        {"query": "a", "top_k": 0},
        {"query": "a", "top_k": 101},
        {"query": "a", "score_threshold": 1.1},
        {"query": "a", "unknown": 1},
        {"query": 7},
        {},
    ],
)
def test_a_wrong_search_is_a_422_that_says_what_is_allowed(
    stack: Stack, body: dict[str, object]
) -> None:
    answer = httpx.post(f"{stack.api_url}/search", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_every_part_is_ready_and_counted(stack: Stack, jpeg: Jpeg) -> None:
    _wait(stack, _upload(stack, jpeg()).job_id)
    stack.client.search("a cat")
    ready = stack.client.ready()
    assert ready.ready, ready
    stats = stack.client.stats()
    assert stats.latency.total.count >= 1
    assert stats.collection.vectors_count >= 1
    metrics = httpx.get(f"{stack.api_url}/metrics").text
    assert "# TYPE" in metrics


def test_the_command_line_finds_it_too(stack: Stack, jpeg: Jpeg, tmp_path: Path) -> None:
    tag = uuid.uuid4().hex
    folder = tmp_path / "holiday"
    folder.mkdir()
    (folder / "cat.jpg").write_bytes(jpeg("cat"))
    (folder / "notes.txt").write_text("not a picture")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not really")
    manifest = tmp_path / "manifest.json"
    index = stack.viewfinder("index", str(folder), "--tag", tag, "--manifest", str(manifest))
    assert "cat.jpg" in manifest.read_text()
    assert index.returncode == 1, index.stderr  # one file was refused
    found = stack.viewfinder("search", "a cat", "--json", "--filter", f"tags={tag}")
    assert found.returncode == 0, found.stderr
    assert "cat.jpg" in found.stdout


def test_a_picture_is_found_by_its_name_and_at_once_by_a_new_tag(stack: Stack, jpeg: Jpeg) -> None:
    number = uuid.uuid4().int % 10**9
    named = _upload(stack, jpeg(), f"Łódź_DSC{number}-final (2).jpg")
    _wait(stack, _upload(stack, jpeg("cat"), "cat.jpg").job_id)
    _wait(stack, named.job_id)
    for query in (f"dsc {number}", f"lodz_dsc{number}", str(number)):
        for mode in ("hybrid", "auto"):
            best = stack.client.search(query, mode=mode).results[0]
            assert best.id == named.images[0].id
            assert best.matched
    tag = f"tag{uuid.uuid4().hex}"
    stack.client.update(named.images[0].id, tags=[tag])
    until = time.monotonic() + 30
    while not (found := stack.client.search(tag, top_k=1, mode="hybrid").results)[0].matched:
        assert time.monotonic() < until, "the tag is not known yet"
        time.sleep(0.2)
    assert found[0].id == named.images[0].id
    assert found[0].matched == [tag]
