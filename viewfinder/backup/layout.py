"""What lies in a backup: an uncompressed tar of plain files, in this order.

viewfinder-backup.json            what this is, and which format
catalogue.sqlite                  the catalogue, one SQLite database
originals.jsonl                   {"blob_key", "sha256", "size_bytes"} of every original
originals/ab/abcd....jpg          the originals themselves, when they were asked for
originals-missing.jsonl           {"blob_key", "reason"} of those that could not be read
collections/0/collection.json     {"spec", "active"} of a collection of vectors
collections/0/000000.jsonl        {"id", "payload", "words"} of at most 1,024 points
collections/0/000000.npy          their vectors, float32 [n, dim]
manifest.json                     how much of everything there is
SHA256SUMS                        of all but the originals, whose names say theirs
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

FORMAT = 1
HEAD = "viewfinder-backup.json"
CATALOGUE = "catalogue.sqlite"
ORIGINALS = "originals.jsonl"
ORIGINALS_FOLDER = "originals/"
MISSING = "originals-missing.jsonl"
MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"

MAX_POINTS = 1024
BLOCK_BYTES = 512

ORIGINAL_NAME = re.compile(r"originals/([0-9a-f]{2}/([0-9a-f]{64})\.[a-z0-9]{1,5})")
_OTHER_NAMES = re.compile(
    r"viewfinder-backup\.json|catalogue\.sqlite|originals(-missing)?\.jsonl|manifest\.json"
    r"|collections/[0-9]{1,4}/(collection\.json|[0-9]{6}\.(jsonl|npy))"
)


def is_known(name: str) -> bool:
    """Whether a member of this name belongs into a backup. No other name ever becomes a path."""
    return bool(_OTHER_NAMES.fullmatch(name) or ORIGINAL_NAME.fullmatch(name))


def collection_name(number: int) -> str:
    """The member that tells of a collection."""
    return f"collections/{number}/collection.json"


def points_name(number: int, part: int) -> str:
    """The member with ids, payloads and words of a part."""
    return f"collections/{number}/{part:06d}.jsonl"


def vectors_name(number: int, part: int) -> str:
    """The member with the vectors of a part."""
    return f"collections/{number}/{part:06d}.npy"


@dataclass
class CollectionEntry:
    """One collection: `spec` of its encoder as plain data, and how much there is of it."""

    spec: dict[str, Any]
    active: bool
    points: int = 0
    parts: int = 0
    rows: int = 0  # of all its vectors; of a multivector encoder many a point

    @property
    def encoder(self) -> str:
        """`name@revision`."""
        return f"{self.spec['name']}@{self.spec['revision']}"


@dataclass
class Manifest:
    """How much there is in a backup. `schema` is the revision of the catalogue's tables."""

    schema: str
    catalogue_bytes: int
    images: int
    originals: int = 0
    originals_bytes: int = 0
    has_originals: bool = False
    missing: int = 0
    collections: list[CollectionEntry] = field(default_factory=list)

    @property
    def vectors_bytes(self) -> int:
        """Of all collections."""
        return sum(max(one.points, one.rows) * int(one.spec["dim"]) * 4 for one in self.collections)


class BackupDamagedError(Exception):
    """The file is no whole backup; the text says what is wrong with it."""


class BackupNotReadableError(Exception):
    """The file is a backup, but not one for this version; the text says what to do."""
