from __future__ import annotations

from pathlib import Path

import pytest

from viewfinder.errors import InvalidRequest, ServiceUnavailable
from viewfinder.pictures import PdfPage
from viewfinder.v1 import catalog_pb2
from worker.originals import StoredOriginals

SHA256 = "ab" * 32


def test_an_original_is_a_file_in_the_folder(tmp_path: Path) -> None:
    record = catalog_pb2.ImageRecord(blob_key=f"ab/{SHA256}.jpg")
    assert StoredOriginals(tmp_path).source(record) == tmp_path / "ab" / f"{SHA256}.jpg"


def test_a_key_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest):
        StoredOriginals(tmp_path).source(catalog_pb2.ImageRecord(blob_key="../../etc/passwd"))


def test_a_missing_folder_is_no_picture_s_fault_and_may_come_later(tmp_path: Path) -> None:
    originals = StoredOriginals(tmp_path / "originals")
    record = catalog_pb2.ImageRecord(blob_key=f"ab/{SHA256}.jpg")
    with pytest.raises(ServiceUnavailable):
        originals.source(record)
    (tmp_path / "originals").mkdir()
    assert originals.source(record) == tmp_path / "originals" / "ab" / f"{SHA256}.jpg"


def test_a_page_is_read_from_its_documents_file(tmp_path: Path) -> None:
    record = catalog_pb2.ImageRecord(
        blob_key=f"ab/{SHA256}.pdf", document_id="d", page=7, pages=9, password="sesame"
    )
    expected = PdfPage(tmp_path / "ab" / f"{SHA256}.pdf", 7, "sesame")
    assert StoredOriginals(tmp_path).source(record) == expected
