"""Keys, signed addresses, and web pages of others."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx
import pytest
from pydantic import ValidationError

from gateway.settings import GatewaySettings
from gateway.urls import Urls
from tests.gateway.conftest import OpenGateway
from tests.gateway.fake_records import IMAGE_ID, OTHER_ID, record
from tests.gateway.fake_services import FakeServices

KEY = "open sesame"
EVERYTHING = [
    ("GET", "/images"),
    ("POST", "/images"),
    ("POST", "/images/lookup"),
    ("GET", f"/images/{IMAGE_ID}"),
    ("PATCH", f"/images/{IMAGE_ID}"),
    ("DELETE", f"/images/{IMAGE_ID}"),
    ("GET", f"/images/{IMAGE_ID}/content"),
    ("GET", f"/images/{IMAGE_ID}/similar"),
    ("POST", "/search"),
    ("POST", "/search/image"),
    ("GET", f"/jobs/{IMAGE_ID}"),
    ("GET", f"/jobs/{IMAGE_ID}/events"),
    ("GET", "/stats"),
    ("GET", "/metrics"),
    ("GET", "/nowhere"),
]


@pytest.fixture
async def guarded(open_gateway: OpenGateway) -> httpx.AsyncClient:
    return await open_gateway(api_key=KEY)


@pytest.mark.parametrize(("method", "path"), EVERYTHING)
async def test_without_the_key_nothing_is_told(
    guarded: httpx.AsyncClient, services: FakeServices, method: str, path: str
) -> None:
    answer = await guarded.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert services.catalog.requests == services.search.requests == services.image.requests == []


@pytest.mark.parametrize("path", ["/health", "/ready", "/openapi.json", "/docs"])
async def test_health_and_documentation_are_open(guarded: httpx.AsyncClient, path: str) -> None:
    assert (await guarded.get(path)).status_code in (200, 503)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": KEY},
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": f"bearer  {KEY}"},
    ],
)
async def test_the_key_opens(guarded: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert (await guarded.get("/images", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": "wrong"},
        {"X-API-Key": ""},
        {"X-API-Key": KEY[:-1]},
        {"X-API-Key": "\u00e9"},
        {"X-API-Key": "wrong", "Authorization": f"Bearer {KEY}"},
        {"Authorization": KEY},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": "Bearer"},
    ],
    ids=repr,
)
async def test_another_key_does_not_open(
    guarded: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    sent = {name: value.encode() for name, value in headers.items()}
    assert (await guarded.get("/images", headers=sent)).status_code == 401


# --- signed addresses ---


async def test_the_addresses_in_answers_open_without_the_key(guarded: httpx.AsyncClient) -> None:
    shown = (await guarded.get(f"/images/{IMAGE_ID}", headers={"X-API-Key": KEY})).json()
    for address in (shown["url"], shown["thumbnail_url"]):
        assert (await guarded.get(address)).status_code == 200
        assert (await guarded.head(address)).status_code == 200


async def test_a_signature_opens_its_picture_only(
    guarded: httpx.AsyncClient, services: FakeServices
) -> None:
    services.catalog.records[OTHER_ID] = record(OTHER_ID)
    query = Urls("", KEY).original(IMAGE_ID).partition("?")[2]
    assert (await guarded.get(f"/images/{OTHER_ID}/content?{query}")).status_code == 401
    for path in ("", "/similar"):
        assert (await guarded.get(f"/images/{IMAGE_ID}{path}?{query}")).status_code == 401
    assert (await guarded.delete(f"/images/{IMAGE_ID}?{query}")).status_code == 401
    assert (await guarded.delete(f"/images/{IMAGE_ID}/content?{query}")).status_code == 401


@pytest.mark.parametrize(
    "query",
    [
        "expires=99999999999&signature=" + "0" * 32,
        "expires=99999999999&signature=",
        "expires=&signature=",
        "expires=-1&signature=%F0%9F%98%80",
        "expires=\u0661&signature=x",
        "signature=x",
    ],
)
async def test_a_forged_signature_opens_nothing(guarded: httpx.AsyncClient, query: str) -> None:
    assert (await guarded.get(f"/images/{IMAGE_ID}/content?{query}")).status_code == 401


async def test_a_signature_cannot_be_made_to_last(guarded: httpx.AsyncClient) -> None:
    address = httpx.URL(Urls("", KEY).original(IMAGE_ID))
    later = address.copy_set_param("expires", "99999999999")
    assert (await guarded.get(later)).status_code == 401


async def test_a_signature_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    urls, now = Urls("", KEY), time.time()
    query = httpx.URL(urls.original(IMAGE_ID)).params
    assert urls.is_signed(IMAGE_ID, query["expires"], query["signature"])
    monkeypatch.setattr(time, "time", lambda: now + 3 * 86_400)
    assert not urls.is_signed(IMAGE_ID, query["expires"], query["signature"])


async def test_a_signature_of_another_key_opens_nothing(guarded: httpx.AsyncClient) -> None:
    assert (await guarded.get(Urls("", "other").original(IMAGE_ID))).status_code == 401


# --- web pages of others ---


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "127.0.0.1:9", "[::1]:8000", "[::1]"]
)
async def test_this_machine_may_be_called_by_its_names(
    client: httpx.AsyncClient, host: str
) -> None:
    assert (await client.get("/images", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "", "10.0.0.1"]
)
@pytest.mark.parametrize("path", ["/images", "/health", "/docs"])
async def test_a_name_of_somebody_else_that_points_here_is_refused(
    client: httpx.AsyncClient, host: str, path: str
) -> None:
    answer = await client.get(path, headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden_origin")
    assert "VIEWFINDER_ALLOWED_HOSTS" in answer.json()["detail"]


async def test_a_name_may_be_allowed(open_gateway: OpenGateway) -> None:
    client = await open_gateway(allowed_hosts="pictures.example, other.example")
    for host in ("pictures.example", "other.example:8000"):
        assert (await client.get("/images", headers={"Host": host})).status_code == 200


async def test_with_a_key_any_name_will_do(guarded: httpx.AsyncClient) -> None:
    headers = {"Host": "pictures.example", "X-API-Key": KEY}
    assert (await guarded.get("/images", headers=headers)).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:3000"])
async def test_a_page_of_somebody_else_cannot_write(
    client: httpx.AsyncClient, services: FakeServices, method: str, origin: str
) -> None:
    answer = await client.request(method, f"/images/{IMAGE_ID}", headers={"Origin": origin})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden_origin")
    assert services.catalog.requests == []


async def test_a_page_of_the_gateway_itself_can_write(client: httpx.AsyncClient) -> None:
    headers = {"Origin": "http://localhost"}
    assert (await client.delete(f"/images/{IMAGE_ID}", headers=headers)).status_code == 204


async def test_an_allowed_origin_can_write_after_its_preflight(open_gateway: OpenGateway) -> None:
    client = await open_gateway(cors_origins="https://mine.example/")
    origin = {"Origin": "https://mine.example"}
    asking = {**origin, "Access-Control-Request-Method": "DELETE"}
    preflight = await client.options(f"/images/{IMAGE_ID}", headers=asking)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://mine.example"
    answer = await client.delete(f"/images/{IMAGE_ID}", headers=origin)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "https://mine.example"


async def test_another_origin_fails_its_preflight(open_gateway: OpenGateway) -> None:
    client = await open_gateway(cors_origins="https://mine.example")
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "DELETE"}
    answer = await client.options(f"/images/{IMAGE_ID}", headers=headers)
    assert "access-control-allow-origin" not in answer.headers


async def test_a_preflight_needs_no_key(open_gateway: OpenGateway) -> None:
    client = await open_gateway(api_key=KEY, cors_origins="https://mine.example")
    headers = {"Origin": "https://mine.example", "Access-Control-Request-Method": "POST"}
    assert (await client.options("/search", headers=headers)).status_code == 200


# --- where it may listen ---


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.5", "pictures.example"])
def test_open_to_the_world_it_does_not_start_without_a_key(
    gateway_settings: Callable[..., GatewaySettings], host: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        gateway_settings(api_host=host)
    assert "VIEWFINDER_API_KEY" in str(caught.value)
    assert "VIEWFINDER_ALLOW_ANONYMOUS" in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_on_this_machine_it_needs_no_key(
    gateway_settings: Callable[..., GatewaySettings], host: str
) -> None:
    assert gateway_settings(api_host=host).is_local


def test_with_a_key_or_on_purpose_it_may_be_open_to_the_world(
    gateway_settings: Callable[..., GatewaySettings],
) -> None:
    gateway_settings(api_host="0.0.0.0", api_key=KEY)
    gateway_settings(api_host="0.0.0.0", allow_anonymous=True)
