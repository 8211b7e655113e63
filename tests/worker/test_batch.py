from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from viewfinder.errors import ServiceUnavailable
from viewfinder.v1 import catalog_pb2

if TYPE_CHECKING:
    from tests.worker.conftest import House

AWAY = ServiceUnavailable(service="somebody")


def test_a_batch_ends_up_in_the_index_in_one_upsert(house: House) -> None:
    ids = house.waiting(10)
    summary = house.runner.run("claim")
    assert house.index.upserts == [10]
    assert {id_: vector[0] for id_, (vector, _) in house.index.points.items()} == {
        id_: number + 1 for number, id_ in enumerate(ids)
    }
    assert set(house.catalog.outcomes().values()) == {"INDEXED"}
    assert summary.indexed == 10


def test_results_are_reported_under_the_claim_with_the_version_that_was_indexed(
    house: House,
) -> None:
    house.waiting(2)
    house.runner.run("the claim")
    [(claim_id, results)] = house.catalog.reports
    assert claim_id == "the claim"
    assert [result.version for result in results] == [1, 2]


def test_an_empty_claim_reports_nothing(house: House) -> None:
    summary = house.runner.run("claim")
    assert house.catalog.reports == []
    assert not summary.look_again


def test_more_work_is_looked_for_at_once(house: House) -> None:
    house.waiting(1)
    house.catalog.claim_response.more = True
    assert house.runner.run("claim").look_again


def test_more_work_waits_while_a_peer_is_away(house: House) -> None:
    house.waiting(1)
    house.catalog.claim_response.more = True
    house.embedder.away = True
    assert not house.runner.run("claim").look_again


def test_a_catalogue_that_is_away_is_the_callers_business(house: House) -> None:
    house.catalog.claim = lambda *_: (_ for _ in ()).throw(AWAY)  # type: ignore[method-assign]
    with pytest.raises(ServiceUnavailable):
        house.runner.run("claim")


def test_a_catalogue_that_restarts_gets_the_report_all_the_same(house: House) -> None:
    ids = house.waiting(3)
    house.catalog.errors = [AWAY, AWAY, AWAY]
    house.runner.run("claim")
    assert list(house.catalog.outcomes()) == ids


def test_a_report_is_given_up_after_a_while(house: House) -> None:
    house.waiting(1)
    house.catalog.errors = [AWAY] * 1000
    with pytest.raises(ServiceUnavailable):
        house.runner.run("claim")
    assert len(house.catalog.errors) > 900


def test_deleting_removes_point_and_renditions_before_it_is_reported(house: House) -> None:
    house.catalog.claim_response.to_delete.append("old")
    house.index.points["old"] = ([0.0], {})
    house.runner.run("claim")
    assert house.index.points == {}
    assert house.renditions.dropped == ["old"]
    assert house.catalog.outcomes() == {"old": "DELETED"}


def test_deleting_is_put_off_while_the_index_is_away(house: House) -> None:
    house.catalog.claim_response.to_delete.append("old")
    house.index.error = AWAY
    house.runner.run("claim")
    assert house.catalog.outcomes() == {"old": "RETRY"}


def test_deleting_is_put_off_while_renditions_cannot_be_dropped(house: House) -> None:
    house.catalog.claim_response.to_delete.append("old")
    house.renditions.error = AWAY
    house.runner.run("claim")
    assert house.catalog.outcomes() == {"old": "RETRY"}


def test_indexing_goes_on_while_image_service_is_away(house: House) -> None:
    [id_] = house.waiting(1)
    house.catalog.claim_response.to_delete.append("old")
    house.renditions.error = AWAY
    house.runner.run("claim")
    assert house.catalog.outcomes() == {"old": "RETRY", id_: "INDEXED"}


def test_a_picture_deleted_meanwhile_is_taken_out_of_the_index_again(house: House) -> None:
    [first, second] = house.waiting(2)
    house.catalog.gone = [first]
    house.runner.run("claim")
    assert list(house.index.points) == [second]


def test_a_change_of_tags_reaches_the_payload_and_leaves_the_vector(house: House) -> None:
    house.index.points["known"] = ([9.0], {"tags": ["old"]})
    record = catalog_pb2.ImageRecord(id="known", tags=["new"], version=7)
    house.catalog.claim_response.to_refresh.append(record)
    house.runner.run("claim")
    vector, payload = house.index.points["known"]
    assert vector == [9.0]
    assert payload["category"] == "new"
    [(_, [result])] = house.catalog.reports
    assert (result.outcome, result.version) == (catalog_pb2.WorkResult.OUTCOME_INDEXED, 7)


def test_a_change_is_put_off_while_the_index_is_away(house: House) -> None:
    house.catalog.claim_response.to_refresh.append(catalog_pb2.ImageRecord(id="known"))
    house.index.error = AWAY
    house.runner.run("claim")
    assert house.catalog.outcomes() == {"known": "RETRY"}


def test_what_a_stopping_worker_has_no_time_for_is_given_back(house: House) -> None:
    ids = house.waiting(12)  # three chunks
    house.stop.set()
    house.clock.now_s += 60
    house.runner.run("claim")
    outcomes = house.catalog.outcomes()
    assert [outcomes[id_] for id_ in ids] == ["INDEXED"] * 4 + ["RETRY"] * 8


def test_a_worker_asked_to_stop_finishes_its_batch_when_there_is_time(house: House) -> None:
    house.waiting(12)
    house.stop.set()
    house.runner.run("claim")
    assert set(house.catalog.outcomes().values()) == {"INDEXED"}
