"""The part of the client that has pictures described; see viewfinder/client.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict, Unpack
from uuid import UUID

from viewfinder import api_descriptions as api
from viewfinder.client_connection import Connection

COUNTING_TIMEOUT_S = 90.0
"""A million pictures take a while to be counted."""


class DescribeOptions(TypedDict, total=False):
    """What is to be described: `ids`, or what meets `tag`, `state` and `document`, or `all`.

    `again`: also what is described already, what was edited by hand only by its id; `failed`: only
    what could not be described; `other_model`: also what another model described. `limit`: the
    newest, so many. `dry_run`: only count.
    """

    ids: Sequence[UUID | str]
    tag: Sequence[str]
    state: Sequence[str]
    document: UUID | str
    all: bool
    again: bool
    failed: bool
    other_model: bool
    limit: int
    dry_run: bool


class Descriptions(Connection):
    """Has a vision model describe pictures."""

    def describe(self, **options: Unpack[DescribeOptions]) -> api.DescriptionsAsked:
        """Have pictures and pages described in the background; see DescribeOptions.

        Raises:
            VisionModelDisabled: there is no vision model.
            InvalidRequest: it says nothing, or too much, of what is to be described.
        """
        body: dict[str, object] = dict(options)
        if "ids" in options:
            body["ids"] = [str(image_id) for image_id in options["ids"]]
        if "document" in options:
            body["document"] = str(options["document"])
        return self._call(
            "POST",
            "/descriptions",
            api.DescriptionsAsked,
            json=body,
            timeout=COUNTING_TIMEOUT_S,
        )

    def descriptions(self) -> api.DescriptionProgress:
        """How far they are."""
        return self._call("GET", "/descriptions", api.DescriptionProgress)

    def stop_descriptions(self) -> api.DescriptionsStopped:
        """Describe no more of those that wait."""
        return self._call(
            "DELETE", "/descriptions", api.DescriptionsStopped, timeout=COUNTING_TIMEOUT_S
        )
