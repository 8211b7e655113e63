"""/jobs: how far uploads have come, once or as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from fastapi import APIRouter, Response
from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import EventSourceResponse

from gateway import examples, records
from gateway.answers import answer
from gateway.parts import Parts, PartsDep
from gateway.problem import problem_of
from gateway.services import QUICK_S, WATCH_S
from viewfinder import api_models as api
from viewfinder.errors import ViewfinderError
from viewfinder.v1 import catalog_pb2

HEARTBEAT_S = 10

router = APIRouter(tags=["jobs"])


@router.get(
    "/jobs/{job_id}",
    summary="Progress of an upload",
    response_model=api.Job,
    responses=examples.problems(404, 422),
)
async def get_job(job_id: UUID, parts: PartsDep) -> Response:
    """How many pictures wait, are searchable, or failed and why."""
    return answer(await _job(parts, job_id))


@router.get(
    "/jobs/{job_id}/events",
    summary="Progress as server-sent events",
    response_class=EventSourceResponse,
    responses={
        200: {
            "description": "Events `job`, now and after every change, the last one with"
            " `done`; `problem` when watching failed",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **examples.problems(404, 422),
    },
)
async def watch_job(job_id: UUID, parts: PartsDep) -> Response:
    """The stream ends when nothing of the job waits any more."""
    await _job(parts, job_id)  # an unknown job is a 404, not an event
    return EventSourceResponse(
        _events(parts, str(job_id)), ping=HEARTBEAT_S, headers={"Cache-Control": "no-store"}
    )


async def _job(parts: Parts, job_id: UUID) -> api.Job:
    request = catalog_pb2.GetJobRequest(job_id=str(job_id))
    return records.job(await parts.services.catalog.GetJob(request, timeout=QUICK_S))


async def _events(parts: Parts, job_id: str) -> AsyncIterator[ServerSentEvent]:
    request = catalog_pb2.WatchJobRequest(job_id=job_id)
    try:
        async for job in parts.services.catalog.WatchJob(request, timeout=WATCH_S):
            yield ServerSentEvent(records.job(job).model_dump_json(), event="job")
    except ViewfinderError as error:
        problem = problem_of(error).model_dump_json(exclude_none=True)
        yield ServerSentEvent(problem, event="problem")
