"""The text a picture is found by word with."""

from __future__ import annotations

from viewfinder.v1 import catalog_pb2
from worker.payload import point_of
from worker.text import MAX_CHARS, text_of


def test_the_text_has_all_words_known_of_a_picture() -> None:
    record = catalog_pb2.ImageRecord(
        id="known",
        file_name="IMG_1.jpg",
        file_path="/home/anna/Beach 2021/IMG_1.jpg",
        tags=["holiday", "family"],
        exif=catalog_pb2.Exif(camera_make="Canon", camera_model="EOS 5D"),
    )
    record.metadata.update(
        {
            "description": "two dogs run along the sea",
            "category": "animals",
            "stars": 5,
            "deep": {"people": ["Bob", "Zoë"], "ok": True},
        }
    )
    assert text_of(record).split("\n") == [
        "IMG_1.jpg",
        "/home/anna/Beach 2021",
        "holiday",
        "family",
        "Canon EOS 5D",
        "Bob",
        "Zoë",
        "animals",
        "two dogs run along the sea",
    ]


def test_what_is_said_twice_counts_once() -> None:
    record = catalog_pb2.ImageRecord(file_name="cat.jpg", file_path="cat.jpg", tags=["cat"])
    record.metadata.update({"category": "cat"})
    assert text_of(record) == "cat.jpg\ncat"


def test_a_folder_of_windows_is_a_folder() -> None:
    record = catalog_pb2.ImageRecord(file_name="a.jpg", file_path="C:\\Pictures\\a.jpg")
    assert text_of(record) == "a.jpg\nC:/Pictures"


def test_a_long_text_is_cut_and_names_and_tags_stay() -> None:
    record = catalog_pb2.ImageRecord(file_name="a.jpg", tags=["cat"])
    record.metadata.update({"page": "word " * 10_000})
    text = text_of(record)
    assert len(text) == MAX_CHARS
    assert text.startswith("a.jpg\ncat\nword")


def test_the_point_has_payload_and_text() -> None:
    point = point_of(catalog_pb2.ImageRecord(id="known", file_name="a.jpg", width=3))
    assert (point.id, point.text, point.payload["width"]) == ("known", "a.jpg", 3)
