"""A red, a green and a blue picture, and what POST /answer streams about them."""

from __future__ import annotations

import json
from typing import Any

from tests.gateway.fake_records import IMAGE_ID, OTHER_ID, struct
from viewfinder.v1 import search_pb2

THIRD_ID = "00000000-0000-4000-8000-000000000003"
COLOURS = {IMAGE_ID: "red", OTHER_ID: "green", THIRD_ID: "blue"}


def hit(image_id: str, relevance: float | None = 0.8, **values: Any) -> search_pb2.Hit:
    return search_pb2.Hit(
        id=image_id,
        score=0.3,
        relevance=relevance,
        payload=struct(file_name=f"{COLOURS[image_id]}.jpg"),
        **values,
    )


def events(body: str) -> list[tuple[str, Any]]:
    found = []
    for block in body.replace("\r\n", "\n").split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found
