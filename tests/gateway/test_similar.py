"""More like a picture that is here."""

from __future__ import annotations

import httpx
import pytest

from tests.gateway.fake_records import IMAGE_ID, OTHER_ID, record, struct
from tests.gateway.fake_services import FakeServices
from viewfinder.errors import ImageNotIndexed


async def test_more_like_this_is_asked_by_id(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    query = {"top_k": 4, "score_threshold": 0.5}
    answer = await client.get(f"/images/{IMAGE_ID}/similar", params=query)
    assert answer.status_code == 200
    asked = services.search.last()
    assert (asked.image_id, asked.top_k, asked.score_threshold) == (IMAGE_ID, 4, 0.5)


async def test_more_like_an_unknown_picture_is_a_404(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"/images/{OTHER_ID}/similar")).status_code == 404


async def test_more_like_a_picture_that_waits_is_a_409_with_its_state(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.catalog.records[IMAGE_ID] = record(state="queued")
    services.search.failure = ImageNotIndexed(image_id=IMAGE_ID, state="unknown")
    answer = await client.get(f"/images/{IMAGE_ID}/similar")
    assert (answer.status_code, answer.json()["code"]) == (409, "image_not_indexed")
    assert answer.json()["fields"]["state"] == "queued"


@pytest.mark.parametrize(
    "query",
    [
        "top_k=0",
        "top_k=101",
        "score_threshold=2",
        "score_threshold=nan",
        "weight=0",
        "examples=at+night",
        'examples={"text": "at night", "weight": 0}',
    ],
)
async def test_a_wrong_question_for_more_is_a_422(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"/images/{IMAGE_ID}/similar?{query}")).status_code == 422


async def test_similar_takes_options_in_its_address(
    client: httpx.AsyncClient, services: FakeServices
) -> None:
    services.catalog.records = {IMAGE_ID: record()}
    parameters = [
        ("filters", '{"tags": "a"}'),
        ("negative", "a toy"),
        ("facets", "tags"),
        ("facets", "camera"),
        ("group_by", "document"),
        ("sort", "newest"),
        ("weight", "2"),
        ("examples", '{"text": "at night", "weight": 0.5}'),
        ("examples", f'{{"image_id": "{OTHER_ID}", "weight": -1}}'),
        ("exact", "true"),
    ]
    answer = await client.get(f"/images/{IMAGE_ID}/similar", params=parameters)
    assert answer.status_code == 200
    asked = services.search.last()
    assert asked.filters == struct(tags="a")
    assert [(one.text or one.image_id, one.weight) for one in asked.also[1:]] == [
        ("at night", 0.5),
        (OTHER_ID, -1),
    ]
    assert asked.also[0].text == "a toy"
    assert (asked.weight, asked.exact) == (2, True)
    assert list(asked.facets) == ["tags", "camera"]
    assert (asked.group_by, asked.sort) == ("document", "newest")
