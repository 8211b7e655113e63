"""Requests for descriptions, and how far they are, as protobuf messages."""

from __future__ import annotations

from upload_service.describing import Describer
from upload_service.description_requests import Counted, Progress, Wish
from upload_service.record_wire import failure_message
from viewfinder.v1 import catalog_pb2


def plain_describer(request: catalog_pb2.ClaimWorkRequest) -> Describer | None:
    """The worker's offer to describe; None: it cannot."""
    if not request.describes:
        return None
    return Describer(
        name=request.describer,
        limit=request.describe_limit,
        lease_s=request.describe_lease_s,
        in_hand=list(request.describing),
    )


def plain_wish(request: catalog_pb2.RequestDescriptionsRequest) -> Wish:
    """What is to be described."""
    return Wish(
        ids=list(request.ids),
        tags=list(request.tags),
        states=list(request.states),
        document_id=request.document_id,
        all=request.all,
        again=request.again,
        failed=request.failed,
        other_model=request.other_model,
        limit=request.limit,
        dry_run=request.dry_run,
        model=request.model,
        max_side=request.max_side,
    )


def counted_message(counted: Counted) -> catalog_pb2.RequestDescriptionsResponse:
    """What came of it."""
    return catalog_pb2.RequestDescriptionsResponse(
        asked=counted.asked,
        waiting=counted.waiting,
        described=counted.described,
        unknown=counted.unknown,
        failed=counted.failed,
        patches=counted.patches,
        mean_s=counted.mean_s,
        mean_chars=counted.mean_chars,
    )


def progress_message(progress: Progress) -> catalog_pb2.DescriptionProgress:
    """How far they are."""
    return catalog_pb2.DescriptionProgress(
        waiting=progress.waiting,
        described=progress.described,
        edited=progress.edited,
        failed=progress.failed,
        in_hand=progress.in_hand,
        mean_s=progress.mean_s,
        held_up=progress.held_up,
        failures=[failure_message(failure) for failure in progress.failures],
    )
