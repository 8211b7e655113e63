"""What passes between the catalogue and its workers."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from enum import Enum

from upload_service.describing import Describer
from upload_service.descriptions import Described
from upload_service.reindexing import ReindexClaim, Spec
from upload_service.tables import Image
from upload_service.texts import PackedText


class Outcome(Enum):
    """What a worker says of one picture."""

    INDEXED = "indexed"
    FAILED = "failed"
    RETRY = "retry"
    DELETED = "deleted"
    READ = "read"
    DESCRIBED = "described"
    REFUSED = "refused"


@dataclass(frozen=True)
class Result:
    """What became of one claimed picture, page or document."""

    id: str
    outcome: Outcome
    reason: str = ""
    version: int = 0
    encoder: str = ""  # "name@revision" whose vectors were upserted
    text: PackedText | None = None  # INDEXED: the text layer of a page; READ: what was read
    description: Described | None = None  # DESCRIBED
    took_s: float = 0.0  # DESCRIBED: by the model
    model: str = ""  # that was asked to describe it


@dataclass
class Claim:
    """Rows under a lease, by what is to be done with them. `texts`: what stands in them, by id;
    `descriptions`: what they show."""

    to_index: list[Image] = field(default_factory=list)
    to_refresh: list[Image] = field(default_factory=list)
    to_delete: list[str] = field(default_factory=list)
    more: bool = False
    reindex: ReindexClaim | None = None
    switch_to: Spec | None = None
    documents: ReindexClaim | None = None
    drop: Spec | None = None
    to_read: list[Image] = field(default_factory=list)
    to_describe: list[Image] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    descriptions: dict[str, Described] = field(default_factory=dict)

    @property
    def images(self) -> list[Image]:
        """All rows of it but those to be deleted."""
        beside = [work.images for work in (self.reindex, self.documents) if work is not None]
        return [
            *self.to_index,
            *self.to_refresh,
            *self.to_read,
            *self.to_describe,
            *itertools.chain(*beside),
        ]


@dataclass(frozen=True)
class Offer:
    """What a worker can do beside indexing: read texts, embed pages with this encoder, have
    pictures described."""

    reads: bool = False
    document_encoder: Spec | None = None
    describer: Describer | None = None


@dataclass(frozen=True)
class Told:
    """What the index was made to do: answer with this encoder, drop the vectors of that one."""

    switched: str | None = None
    dropped: str | None = None
