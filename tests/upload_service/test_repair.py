"""Originals and rows that lost each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf.struct_pb2 import Struct

from tests.upload_service.conftest import House, jpeg
from upload_service.database import open_catalogue
from upload_service.repair import fail_the_lost, remove_orphans, repair
from upload_service.service import _plain
from upload_service.work import Outcome, Result
from viewfinder.blobs import blob_key
from viewfinder.errors import InvalidRequest


async def test_only_originals_without_a_row_are_removed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = (await house.take(jpeg())).image.blob_key
    orphan = blob_key("ab" * 32, "image/jpeg")
    temporary = house.originals.new_temporary()
    temporary.touch()
    house.originals.keep(temporary, orphan)
    assert remove_orphans(house.catalog, house.originals) == 0  # it may be on its way to a row
    monkeypatch.setattr("upload_service.repair._ORPHAN_AGE_S", -60)
    assert remove_orphans(house.catalog, house.originals) == 1
    assert house.files() == [kept]


async def test_a_waiting_picture_without_original_fails_and_comes_back_when_sent_again(
    house: House,
) -> None:
    lost, whole = [(await house.take(jpeg(seed))).image for seed in range(2)]
    house.originals.delete(lost.blob_key)
    assert fail_the_lost(house.catalog, house.originals) == 1
    assert [image.state for image in house.catalog.get([lost.id, whole.id])] == ["failed", "stored"]
    assert (await house.take(jpeg(0))).image.state == "stored"
    assert house.originals.exists(lost.blob_key)


async def test_an_indexed_picture_gets_its_lost_original_back_when_sent_again(house: House) -> None:
    image = (await house.take(jpeg())).image
    house.claims.claim("job", 32, 60)
    house.claims.report("job", [Result(image.id, Outcome.INDEXED, version=1)])
    house.originals.delete(image.blob_key)
    again = await house.take(jpeg())
    assert (again.duplicate, again.image.state) == (True, "indexed")
    assert house.originals.exists(image.blob_key)


async def test_a_store_that_cannot_be_read_does_not_stop_the_service(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(age_s: float) -> list[str]:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(house.originals, "keys_older_than", broken)
    repair(house.catalog, house.originals)


def test_a_folder_with_odd_characters_holds_a_catalogue(tmp_path: Path) -> None:
    file = tmp_path / "50%?#" / "catalogue.sqlite"
    open_catalogue(file).dispose()
    assert file.stat().st_size > 0


def test_metadata_that_json_has_not_is_refused() -> None:
    metadata = Struct()
    metadata.update({"height": float("nan")})
    with pytest.raises(InvalidRequest):
        _plain(metadata)
