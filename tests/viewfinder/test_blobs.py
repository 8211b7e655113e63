from pathlib import Path

import pytest

from viewfinder.blobs import OriginalStore, blob_key
from viewfinder.errors import InvalidRequest, StorageFull

KEY = blob_key("ab" * 32, "image/jpeg")


def _put(store: OriginalStore, content: bytes = b"0123456789", key: str = KEY) -> None:
    temporary = store.new_temporary()
    temporary.write_bytes(content)
    store.keep(temporary, key)


async def test_what_was_kept_is_read_back_in_pieces(tmp_path: Path) -> None:
    store = OriginalStore.in_folder(tmp_path)
    _put(store)
    assert await store.size_bytes(KEY) == 10
    assert [piece async for piece in store.stream(KEY, 2, 7, 3)] == [b"234", b"567", b"8"]


def test_the_same_key_again_is_no_error_and_leaves_nothing(tmp_path: Path) -> None:
    store = OriginalStore.in_folder(tmp_path)
    _put(store)
    _put(store)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [store.local_path(KEY)]


@pytest.mark.parametrize(
    "key", ["../../etc/passwd", "/etc/passwd", "ab/../x.jpg", "incoming/x.part", "", KEY + "/x"]
)
def test_only_keys_made_of_hashes_are_touched(tmp_path: Path, key: str) -> None:
    store = OriginalStore.in_folder(tmp_path)
    for touch in (store.exists, store.delete, store.local_path):
        with pytest.raises(InvalidRequest):
            touch(key)


async def test_what_is_not_there_is_a_file_not_found(tmp_path: Path) -> None:
    store = OriginalStore.in_folder(tmp_path)
    assert not store.exists(KEY)
    store.delete(KEY)
    with pytest.raises(FileNotFoundError):
        await store.size_bytes(KEY)
    with pytest.raises(FileNotFoundError):
        _ = [piece async for piece in store.stream(KEY, 0, 5, 5)]


def test_leftovers_of_a_killed_process_are_dropped(tmp_path: Path) -> None:
    store = OriginalStore.in_folder(tmp_path)
    store.new_temporary().write_bytes(b"half")
    assert store.drop_temporaries() == 1
    assert list((tmp_path / "incoming").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageFull) as caught:
        OriginalStore.in_folder(tmp_path / "file" / "originals")
    assert str(tmp_path) in str(caught.value)


def test_only_old_originals_are_listed_for_the_sweep(tmp_path: Path) -> None:
    store = OriginalStore.in_folder(tmp_path)
    _put(store)
    assert list(store.keys_older_than(3600)) == []
    assert list(store.keys_older_than(-1)) == [KEY]
