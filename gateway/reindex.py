"""/reindex: moving all pictures to another encoder while searches go on."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated

import structlog
from fastapi import APIRouter, Query, Response

from gateway import examples
from gateway.answers import answer
from gateway.parts import Parts, PartsDep
from gateway.services import QUICK_S
from viewfinder import api_models as api
from viewfinder.errors import ViewfinderError
from viewfinder.v1 import catalog_pb2, common_pb2, embedding_pb2, search_pb2

LOADING_S = 110.0

router = APIRouter(tags=["encoders"])
log = structlog.get_logger()


@router.post(
    "/reindex",
    summary="Move to another encoder",
    response_model=api.Reindex,
    responses=examples.problems(422, 503),
)
async def start(asked: api.ReindexRequest, parts: PartsDep) -> Response:
    """Embeds all pictures again in the background. Searches are answered with the encoder of now
    until all are done, then with the other one, from one search to the next. Asked again it goes
    on where it was."""
    services = parts.services
    wanted = embedding_pb2.GetSpecRequest(encoder=asked.encoder)
    candidate = await services.embedding.GetSpec(wanted, timeout=LOADING_S)
    collection = await services.search.GetCollection(
        search_pb2.GetCollectionRequest(), timeout=QUICK_S
    )
    request = catalog_pb2.StartReindexRequest(
        candidate=candidate.spec,
        active=collection.spec if collection.HasField("spec") else None,
        hold=asked.hold,
    )
    return await _answer(parts, await services.catalog.StartReindex(request, timeout=QUICK_S))


@router.get("/reindex", summary="How far the move is", response_model=api.Reindex)
async def get(parts: PartsDep) -> Response:
    """Counts, and which encoders there are."""
    request = catalog_pb2.GetReindexRequest()
    return await _answer(parts, await parts.services.catalog.GetReindex(request, timeout=QUICK_S))


@router.post(
    "/reindex/switch",
    summary="Switch to the other encoder, or back",
    response_model=api.Reindex,
    responses=examples.problems(422),
)
async def switch(asked: api.SwitchRequest, parts: PartsDep) -> Response:
    """To the candidate that was held, once it is complete; or back to the encoder before."""
    request = catalog_pb2.SwitchEncoderRequest(back=asked.back)
    return await _answer(
        parts, await parts.services.catalog.SwitchEncoder(request, timeout=QUICK_S)
    )


@router.delete(
    "/reindex",
    summary="Cancel the move, or forget the encoder before",
    response_model=api.Reindex,
    responses=examples.problems(422),
)
async def forget(
    parts: PartsDep,
    previous: Annotated[
        bool, Query(description="The encoder before: frees its disk space, ends the way back")
    ] = False,
) -> Response:
    """Removes the vectors of the encoder that does not answer."""
    request = catalog_pb2.ForgetEncoderRequest(previous=previous)
    return await _answer(
        parts, await parts.services.catalog.ForgetEncoder(request, timeout=QUICK_S)
    )


async def _answer(parts: Parts, status: catalog_pb2.Reindex) -> Response:
    if status.HasField("dropped"):
        try:
            await parts.services.search.DropCollection(
                search_pb2.DropCollectionRequest(spec=status.dropped), timeout=QUICK_S
            )
        except ViewfinderError as error:
            # They answer nobody, and are replaced when this encoder comes again.
            log.warning("vectors are left on the disk", reason=error.message)
    return answer(
        api.Reindex.model_validate(
            {
                "state": status.state,
                "active": _encoder(status, "active"),
                "candidate": _encoder(status, "candidate"),
                "previous": _encoder(status, "previous"),
                "total": status.total,
                "done": status.done,
                "failed": status.failed,
                "started_at": status.started_at.ToDatetime(tzinfo=UTC)
                if status.HasField("started_at")
                else None,
            }
        )
    )


def _encoder(status: catalog_pb2.Reindex, field: str) -> api.EncoderInfo | None:
    if not status.HasField(field):
        return None
    spec: common_pb2.EncoderSpec = getattr(status, field)
    return api.EncoderInfo(name=spec.name, revision=spec.revision, dim=spec.dim)
