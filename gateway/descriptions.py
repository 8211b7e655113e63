"""/descriptions: what pictures and pages show, told by the vision model in the background."""

from __future__ import annotations

from datetime import UTC
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Body, Response

from gateway import examples
from gateway.answers import answer
from gateway.parts import Parts, PartsDep
from gateway.services import QUICK_S
from viewfinder import api_descriptions as api
from viewfinder.v1 import catalog_pb2
from viewfinder.vision.plain import one_line, printable

_COUNTING_S = 60.0  # of a million pictures
_PROMPT_TOKENS = 400
_OUTPUT_TOKENS = 150  # while none of this model is known
_CHARS_OF_A_TOKEN = 4

router = APIRouter(tags=["descriptions"])


@router.post(
    "/descriptions",
    summary="Have pictures and pages described",
    status_code=HTTPStatus.ACCEPTED,
    response_model=api.DescriptionsAsked,
    responses=examples.problems(409, 422, 503),
)
async def request(
    asked: Annotated[api.DescriptionsRequest, Body(openapi_examples=examples.DESCRIPTIONS)],
    parts: PartsDep,
) -> Response:
    """By the vision model, in the background, each once; they are then found by these words, and by
    no others with `mode: "description"`. What is described already stays so unless asked for
    again, and so does what this model failed at. A dry run answers 200 with what it would cost."""
    model = parts.vision_model("Describing pictures").name
    wish = catalog_pb2.RequestDescriptionsRequest(
        ids=[str(image_id) for image_id in asked.ids],
        tags=asked.tag,
        states=asked.state,
        document_id="" if asked.document is None else str(asked.document),
        all=asked.all,
        again=asked.again,
        failed=asked.failed,
        other_model=asked.other_model,
        limit=asked.limit,
        dry_run=asked.dry_run,
        model=model,
        max_side=parts.settings.llm_max_side,
    )
    counted = await parts.services.catalog.RequestDescriptions(wish, timeout=_COUNTING_S)
    return answer(
        api.DescriptionsAsked(
            asked=counted.asked,
            waiting=counted.waiting,
            described=counted.described,
            failed=counted.failed,
            unknown=counted.unknown,
            model=model,
            dry_run=asked.dry_run,
            estimate=_estimate(parts, counted),
        ),
        HTTPStatus.OK if asked.dry_run else HTTPStatus.ACCEPTED,
    )


@router.get(
    "/descriptions", summary="How far descriptions are", response_model=api.DescriptionProgress
)
async def progress(parts: PartsDep) -> Response:
    """Counts, and what the rest takes."""
    model = None if parts.vision is None else parts.vision.name
    now = await parts.services.catalog.GetDescriptions(
        catalog_pb2.GetDescriptionsRequest(model=model or ""), timeout=QUICK_S
    )
    return answer(
        api.DescriptionProgress(
            enabled=model is not None,
            model=model,
            waiting=now.waiting,
            in_hand=now.in_hand,
            described=now.described,
            edited=now.edited,
            failed=now.failed,
            mean_s=round(now.mean_s, 2) if now.mean_s else None,
            remaining_s=_seconds(parts, now.waiting, now.mean_s),
            remaining_cost=_cost(parts, now.waiting),
            held_up=_held_up(parts, now),
            failures=[
                api.DescriptionFailure(
                    image_id=one.image_id, file_name=one.file_name, reason=one.reason
                )
                for one in now.failures
            ],
        )
    )


@router.delete(
    "/descriptions",
    summary="Describe no more of those that wait",
    response_model=api.DescriptionsStopped,
)
async def stop(parts: PartsDep) -> Response:
    """What is described stays so; what the model works on just now still is."""
    stopped = await parts.services.catalog.StopDescriptions(
        catalog_pb2.StopDescriptionsRequest(), timeout=_COUNTING_S
    )
    return answer(api.DescriptionsStopped(stopped=stopped.stopped))


def description_of(record: catalog_pb2.ImageRecord) -> api.Description | None:
    """What it shows, where that is known."""
    if not record.HasField("description"):
        return None
    shown = record.description
    return api.Description(
        caption=shown.caption,
        objects=list(shown.objects),
        text=shown.text,
        colours=list(shown.colours),
        setting=shown.setting,
        model=shown.model or None,
        edited=shown.edited,
        described_at=shown.described_at.ToDatetime(tzinfo=UTC)
        if shown.HasField("described_at")
        else None,
    )


def written(text: api.DescriptionText | None) -> catalog_pb2.Description:
    """What somebody wrote; without a caption: it is to go."""
    if text is None:
        return catalog_pb2.Description()
    return catalog_pb2.Description(
        caption=one_line(text.caption, 1000),
        objects=[one_line(word) for word in text.objects],
        text=printable(text.text),
        colours=[one_line(word) for word in text.colours],
        setting=one_line(text.setting, 400),
    )


def _estimate(
    parts: Parts, counted: catalog_pb2.RequestDescriptionsResponse
) -> api.DescriptionEstimate:
    each = counted.mean_chars / _CHARS_OF_A_TOKEN or _OUTPUT_TOKENS
    return api.DescriptionEstimate(
        input_tokens=round(counted.patches + _PROMPT_TOKENS * counted.asked),
        output_tokens=round(each * counted.asked),
        cost=_cost(parts, counted.asked),
        seconds=_seconds(parts, counted.asked, counted.mean_s),
    )


def _seconds(parts: Parts, count: int, mean_s: float) -> float | None:
    settings = parts.settings
    at_once = settings.llm_concurrency * settings.index_workers
    return round(count * mean_s / min(at_once, count or 1), 1) if mean_s else None


def _cost(parts: Parts, count: int) -> float | None:
    price = parts.settings.llm_price_per_image
    return round(count * price, 4) if price else None


def _held_up(parts: Parts, now: catalog_pb2.DescriptionProgress) -> str | None:
    if now.waiting and parts.vision is None:
        return parts.no_vision_model()
    return now.held_up or None
