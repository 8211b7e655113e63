"""Catalogue and index of different moments agree after a restore."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.upload_service.conftest import House, jpeg
from upload_service.describing import Describer
from upload_service.description_requests import DescriptionRequests, Wish
from upload_service.descriptions import Described
from upload_service.healing import Healed, Healing, StoredVectors
from upload_service.tables import Image
from upload_service.work import Offer, Outcome, Result

OLD: dict[str, Any] = {"name": "old", "revision": "1", "kind": "dense", "dim": 2, "pixels": {}}
NEW: dict[str, Any] = {**OLD, "name": "new"}


async def indexed(house: House, seed: int, **header: Any) -> str:
    image_id = (await house.take(jpeg(seed), **header)).image.id
    house.claims.claim(f"claim-{seed}", 32, 60)
    house.claims.report(f"claim-{seed}", [Result(image_id, Outcome.INDEXED, version=1)])
    return image_id


def state_of(house: House, image_id: str) -> str:
    return house.catalog.get([image_id])[0].state


class Restoring:
    """Heals a house against an index of these points."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.left_out: list[str] = []

    def heal(
        self,
        *ids: str,
        tags: tuple[str, ...] = (),
        others: dict[str, list[str]] | None = None,
        active: str = "old@1",
    ) -> Healed:
        healing = Healing(self._house.writer, self._house.clock, self.left_out.append)
        payload = {"tags": list(tags)} if tags else {}
        collections = [
            StoredVectors(active, True, [{"id": one, "payload": payload} for one in ids]),
            *(
                StoredVectors(name, False, [{"id": one, "payload": {}} for one in found])
                for name, found in (others or {}).items()
            ),
        ]
        return healing.heal(collections)


@pytest.fixture
def restoring(house: House) -> Restoring:
    return Restoring(house)


async def test_what_agrees_is_left_alone(house: House, restoring: Restoring) -> None:
    image_id = await indexed(house, 1, tags=["a"])
    assert restoring.heal(image_id, tags=("a",)) == Healed()
    assert state_of(house, image_id) == "indexed"
    assert not house.claims.due()


async def test_an_indexed_picture_without_a_vector_is_embedded_again(
    house: House, restoring: Restoring
) -> None:
    kept, lost = await indexed(house, 1), await indexed(house, 2)
    assert restoring.heal(kept).to_embed == 1
    claim = house.claims.claim("next", 32, 60)
    assert [image.id for image in claim.to_index] == [lost]
    assert state_of(house, kept) == "indexed"


async def test_vectors_of_pictures_that_the_catalogue_does_not_know_are_left_out(
    house: House, restoring: Restoring
) -> None:
    known = await indexed(house, 1)
    unknown = "00000000-0000-0000-0000-000000000001"
    assert restoring.heal(unknown, known).unknown == 1
    assert restoring.left_out == [unknown]


async def test_a_picture_that_waits_gets_its_vector_from_a_worker(
    house: House, restoring: Restoring
) -> None:
    waiting = (await house.take(jpeg(1))).image.id
    restoring.heal(waiting)
    assert restoring.left_out == [waiting]
    assert state_of(house, waiting) == "stored"


async def test_a_payload_of_after_a_change_is_written_again(
    house: House, restoring: Restoring
) -> None:
    image_id = await indexed(house, 1, tags=["a"])
    assert restoring.heal(image_id, tags=("b",)).to_refresh == 1
    assert [image.id for image in house.claims.claim("next", 32, 60).to_refresh] == [image_id]


async def test_claims_of_workers_that_are_gone_are_given_out_anew(
    house: House, restoring: Restoring
) -> None:
    image_id = (await house.take(jpeg(1))).image.id
    house.claims.claim("of before", 32, 3600)
    restoring.heal()
    assert [image.id for image in house.claims.claim("new", 32, 60).to_index] == [image_id]


async def test_the_catalogue_says_who_answers(house: House, restoring: Restoring) -> None:
    image_id = await indexed(house, 1)
    house.reindexing.start(NEW, OLD, hold=True)
    healed = restoring.heal(others={"old@1": [image_id]}, active="new@1")
    assert healed.answers == OLD
    assert state_of(house, image_id) == "indexed"


async def test_a_candidates_lost_vectors_are_made_again(house: House, restoring: Restoring) -> None:
    ids = [await indexed(house, seed) for seed in (1, 2)]
    house.reindexing.start(NEW, OLD, hold=True)
    claim = house.claims.claim("move", 32, 60)
    assert claim.reindex is not None
    results = [Result(one, Outcome.INDEXED, version=1, encoder="new@1") for one in ids]
    house.claims.report("move", results)
    assert house.reindexing.status().done == 2
    restoring.heal(*ids, others={"new@1": ids[:1]})
    assert house.reindexing.status().done == 1
    again = house.claims.claim("again", 32, 60).reindex
    assert again is not None
    assert [image.id for image in again.images] == ids[1:]


async def test_many_points_are_taken_in_batches(house: House, restoring: Restoring) -> None:
    known = await indexed(house, 1)
    strangers = [f"00000000-0000-0000-0000-{n:012d}" for n in range(1200)]
    healed = restoring.heal(*strangers, known)
    assert (healed.unknown, healed.to_embed) == (1200, 0)
    with Session(house.catalog._engine) as session:  # nothing of the comparison is kept
        assert session.query(Image).count() == 1


async def test_a_description_that_the_index_does_not_know_is_written_again(
    house: House, restoring: Restoring
) -> None:
    image_id = await indexed(house, 1)
    house.catalog.update(image_id, None, None, Described("A cat"))
    (row,) = house.claims.claim("refresh", 32, 60).to_refresh
    house.claims.report("refresh", [Result(image_id, Outcome.INDEXED, version=row.version)])
    assert restoring.heal(image_id).to_refresh == 1
    claim = house.claims.claim("next", 32, 60)
    assert claim.descriptions[image_id].caption == "A cat"


async def test_what_was_being_described_is_given_out_anew(
    house: House, restoring: Restoring
) -> None:
    image_id = await indexed(house, 1)
    requests = DescriptionRequests(house.writer, house.claims.describing, house.clock)
    requests.request(Wish(all=True))
    offer = Offer(describer=Describer("describer-0", 1, 3600))
    assert len(house.claims.claim("before", 32, 60, offer).to_describe) == 1
    restoring.heal(image_id)
    other = Offer(describer=Describer("describer-1", 1, 3600))
    assert len(house.claims.claim("after", 32, 60, other).to_describe) == 1
