"""What tests of descriptions do with a catalogue: ask, claim, report."""

from __future__ import annotations

from tests.upload_service.conftest import House
from upload_service.describing import Describer
from upload_service.description_requests import Counted, DescriptionRequests, Progress, Wish
from upload_service.descriptions import Described
from upload_service.tables import Image
from upload_service.work import Claim, Offer, Outcome, Result

SHOWN = Described("A red square", ("square",), "EXIT", ("red",), "indoors", "looker")
EVERYTHING = Wish(all=True)


def requests(house: House) -> DescriptionRequests:
    return DescriptionRequests(house.writer, house.claims.describing, house.clock)


def ask(house: House, wish: Wish = EVERYTHING) -> Counted:
    return requests(house).request(wish)


def progress(house: House) -> Progress:
    return requests(house).progress("looker")


def index(house: House, *, fails: bool = False) -> list[Image]:
    """Everything that waits."""
    rows: list[Image] = []
    outcome = Outcome.FAILED if fails else Outcome.INDEXED
    while claimed := house.claims.claim("index", 32, 60).to_index:
        results = [Result(row.id, outcome, version=row.version, reason="torn") for row in claimed]
        house.claims.report("index", results)
        rows += claimed
    return rows


def claim(house: House, *in_hand: str, name: str = "describer-0", limit: int = 4) -> Claim:
    offer = Offer(describer=Describer(name, limit, 300, in_hand))
    return house.claims.claim("job", 32, 60, offer)


def report(
    house: House,
    row: Image,
    outcome: Outcome = Outcome.DESCRIBED,
    name: str = "describer-0",
    model: str = "looker",
) -> None:
    shown = SHOWN if outcome is Outcome.DESCRIBED else None
    result = Result(row.id, outcome, reason="why", description=shown, took_s=2.0, model=model)
    house.claims.report(name, [result])


def describe(house: House) -> list[Image]:
    """Everything that is to be described, and the index follows."""
    rows: list[Image] = []
    while True:
        claimed = claim(house)
        refreshed = [
            Result(row.id, Outcome.INDEXED, version=row.version) for row in claimed.to_refresh
        ]
        house.claims.report("job", refreshed)
        for row in claimed.to_describe:
            report(house, row)
        rows += claimed.to_describe
        if not claimed.images:
            return rows


def describe_later(house: House) -> None:
    """The same, of what was put off."""
    house.clock.now += 700
    assert describe(house)


def shown(house: House, image_id: str) -> Described | None:
    return house.catalog.descriptions(house.catalog.get([image_id])).get(image_id)
