"""What both kinds of a set of collections can do: the folder's, and the server's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol
from uuid import UUID

from search_service.collection import Collection, CollectionState
from search_service.encoder_binding import EncoderSpec
from search_service.vector_index import IndexPoint, Vectors


class Collections(Protocol):
    """Collections side by side, one for each encoder; one of them answers."""

    tell_caches: Callable[[], Awaitable[None]]

    @property
    def active(self) -> Collection:
        """The one that answers searches. Raises ServiceUnavailable while that is not known."""

    async def prepare(self, spec: EncoderSpec) -> None:
        """Make what has met no encoder ready for this one, ahead of its first vectors."""

    async def of_encoder(self, spec: EncoderSpec) -> Collection | None:
        """The one of this encoder, whether it answers or not."""

    async def upsert(
        self, spec: EncoderSpec, points: Sequence[IndexPoint], vectors: Vectors, beside: bool
    ) -> int:
        """Insert or replace, durably; the new epoch. `beside`: made when there is none; that of a
        multivector encoder always is beside."""

    async def set_payload(self, points: Sequence[IndexPoint]) -> int:
        """Replace the payload of those that exist, in all collections."""

    async def delete(self, ids: Sequence[UUID]) -> int:
        """Remove from all collections."""

    async def switch(self, spec: EncoderSpec) -> int:
        """From now on this encoder's collection answers; the new epoch."""

    async def drop(self, spec: EncoderSpec) -> None:
        """Remove the collection of this encoder; an unknown one is passed over."""

    async def in_order(self) -> list[Collection]:
        """The active one first, then the others."""

    async def states(self) -> list[CollectionState]:
        """Of the active one first, then of the others."""

    async def close(self) -> None:
        """Let go of all."""
