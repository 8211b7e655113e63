from __future__ import annotations

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp

from viewfinder.v1 import catalog_pb2
from worker.payload import payload_of, rfc3339


def test_every_filter_key_is_filled_from_the_record() -> None:
    record = catalog_pb2.ImageRecord(
        file_name="cat.jpg",
        file_path="holiday/cat.jpg",
        tags=["pets", "2024"],
        media_type="image/jpeg",
        size_bytes=1234,
        width=640,
        height=480,
        uploaded_at=Timestamp(seconds=1_700_000_000),
        exif=catalog_pb2.Exif(
            taken_at="2024-05-01T12:30:00",
            camera_make="Canon",
            camera_model="EOS R5",
            latitude=48.2,
            longitude=16.4,
        ),
    )
    record.metadata.update({"project": "alps", "stars": 5})
    assert MessageToDict(payload_of(record)) == {
        "file_name": "cat.jpg",
        "file_path": "holiday/cat.jpg",
        "tags": ["pets", "2024"],
        "category": "pets",
        "media_type": "image/jpeg",
        "size_bytes": 1234.0,
        "width": 640.0,
        "height": 480.0,
        "taken_at": "2024-05-01T12:30:00Z",
        "uploaded_at": "2023-11-14T22:13:20Z",
        "camera": "Canon EOS R5",
        "location": {"lat": 48.2, "lon": 16.4},
        "metadata": {"project": "alps", "stars": 5.0},
    }


def test_what_is_not_known_is_left_out() -> None:
    assert MessageToDict(payload_of(catalog_pb2.ImageRecord(file_name="a.png", width=1))) == {
        "file_name": "a.png",
        "size_bytes": 0.0,
        "width": 1.0,
        "height": 0.0,
    }


def test_a_category_in_the_metadata_wins_over_the_first_tag() -> None:
    record = catalog_pb2.ImageRecord(tags=["pets"])
    record.metadata.update({"category": "animals"})
    assert payload_of(record)["category"] == "animals"


@pytest.mark.parametrize(
    ("taken_at", "expected"),
    [
        ("2024-05-01T12:30:00+02:00", "2024-05-01T12:30:00+02:00"),
        ("2024-05-01T12:30:00", "2024-05-01T12:30:00Z"),
        ("", ""),
        ("yesterday", ""),
    ],
)
def test_the_cameras_time_becomes_rfc_3339(taken_at: str, expected: str) -> None:
    assert rfc3339(taken_at) == expected
