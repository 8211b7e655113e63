import hashlib
import uuid
from pathlib import Path

from viewfinder import ids


def test_an_image_id_is_the_first_half_of_the_hash() -> None:
    digest = hashlib.sha256(b"picture").digest()
    assert ids.image_id(digest).bytes == digest[:16]


def test_a_file_has_the_id_of_its_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000  # more than one read
    path = tmp_path / "any name.jpg"
    path.write_bytes(content)
    assert ids.image_id_of_file(path) == ids.image_id(hashlib.sha256(content).digest())


def test_pages_of_a_document_differ_and_repeat() -> None:
    document = uuid.uuid4()
    assert ids.page_id(document, 1) == ids.page_id(document, 1)
    assert ids.page_id(document, 1) != ids.page_id(document, 2)
    assert ids.page_id(document, 1) != ids.page_id(uuid.uuid4(), 1)
