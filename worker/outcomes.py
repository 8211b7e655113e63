"""What becomes of a picture: indexed, failed for good, given back, or deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from viewfinder.errors import EncoderMismatch, InternalError, Overloaded, ViewfinderError
from viewfinder.v1 import catalog_pb2, common_pb2
from viewfinder.vision.pictures import Description

WorkResult = catalog_pb2.WorkResult
ImageRecord = catalog_pb2.ImageRecord
KeepGoing = Callable[[], bool]

STOPPING = "The worker is stopping, or the batch took too long; another one goes on with it"


def indexed(
    record: ImageRecord, encoder: str = "", text: common_pb2.ReadText | None = None
) -> WorkResult:
    """It is in the index with the payload of this version, a vector of `encoder`
    ("name@revision") where that is new, and the words of its text layer where it has one."""
    return WorkResult(
        id=record.id,
        outcome=WorkResult.OUTCOME_INDEXED,
        version=record.version,
        encoder=encoder,
        text=text,
    )


def read(record: ImageRecord, text: common_pb2.ReadText) -> WorkResult:
    """This is what stands in it, and the index knows; no words are an answer too."""
    return WorkResult(
        id=record.id, outcome=WorkResult.OUTCOME_READ, version=record.version, text=text
    )


def described(record: ImageRecord, shown: Description, model: str, took_s: float) -> WorkResult:
    """This is what it shows; the index follows by a refresh."""
    return WorkResult(
        id=record.id,
        outcome=WorkResult.OUTCOME_DESCRIBED,
        description=catalog_pb2.Description(
            caption=shown.caption,
            objects=shown.objects,
            text=shown.text,
            colours=shown.colours,
            setting=shown.setting,
            model=model,
        ),
        took_s=took_s,
    )


def failed(record: ImageRecord, reason: str) -> WorkResult:
    """It will never work."""
    return WorkResult(
        id=record.id, outcome=WorkResult.OUTCOME_FAILED, reason=reason, version=record.version
    )


def refused(record: ImageRecord, reason: str) -> WorkResult:
    """The vision model's server does not take it, and takes others."""
    return WorkResult(id=record.id, outcome=WorkResult.OUTCOME_REFUSED, reason=reason)


def give_back(ids: Iterable[str], reason: str) -> list[WorkResult]:
    """Not their fault: later, or by another worker."""
    return [WorkResult(id=id_, outcome=WorkResult.OUTCOME_RETRY, reason=reason) for id_ in ids]


def deleted(ids: Iterable[str]) -> list[WorkResult]:
    """Nothing of them is left in the index or in the cache."""
    return [WorkResult(id=id_, outcome=WorkResult.OUTCOME_DELETED) for id_ in ids]


def is_to_blame(error: ViewfinderError) -> bool:
    """Whether the picture itself caused this error, so that trying again cannot help."""
    return error.http_status < 500 and not isinstance(error, EncoderMismatch | Overloaded)


def is_puzzling(error: ViewfinderError) -> bool:
    """Whether one picture may have caused an error that nobody foresaw, and others not."""
    return isinstance(error, InternalError) or is_to_blame(error)
