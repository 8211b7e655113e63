"""The collections on a Qdrant server: one for each encoder, and an alias to the one that answers.

Several replicas of the service may share a server, so nothing is believed that another one may
have changed: every read looks at the alias while it is under way, and every write before it. What
encoder a collection belongs to is stored in its metadata, with the server.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import structlog
from qdrant_client import models

from search_service.collection import Collection, CollectionState, check_vectors
from search_service.encoder_binding import EncoderSpec, check_can_answer, check_encoder
from search_service.engine_options import EngineOptions
from search_service.epoch import Counter
from search_service.server_connection import CollectionMissing, ServerConnection, check_version
from search_service.server_index import ServerIndex, always
from search_service.server_options import ServerLayout
from search_service.telling import TellingWrites, on_each
from search_service.vector_index import IndexFault, IndexPoint, IndexUnusable, Vectors
from viewfinder.errors import InvalidRequest, ServiceUnavailable

OURS = "viewfinder"
"""The key of a collection's metadata that says whose it is."""
_SERVICE = "search_service"

log = structlog.get_logger()


class StoredBinding:
    """The encoder of a collection that was made for it, or of one that is still to be made."""

    def __init__(self, spec: EncoderSpec | None) -> None:
        self._spec = spec

    @property
    def spec(self) -> EncoderSpec | None:
        """The encoder."""
        return self._spec

    def bind(self, spec: EncoderSpec) -> None:
        """A collection on a server never changes its encoder."""
        raise IndexFault(f"a collection of {self._spec} cannot become one of {spec}")

    def check(self, offered: EncoderSpec) -> None:
        """Raise EncoderMismatch, naming both, when the index belongs to another encoder."""
        check_encoder(self._spec, offered)


class ServerCollections(TellingWrites):
    """All collections whose names begin with `name`, which is also the alias of the active one.

    `open` is called before anything else; until it has succeeded, nothing answers.
    """

    def __init__(
        self,
        connection: ServerConnection,
        name: str,
        epoch: Counter,
        options: EngineOptions | None = None,
        layout: ServerLayout | None = None,
        recall_every_s: float = 0,
    ) -> None:
        super().__init__()
        self._connection = connection
        self._client = connection.client
        self._name = name
        self._epoch = epoch
        self._options = options or EngineOptions()
        self._layout = layout or ServerLayout()
        self._recall_every_s = recall_every_s
        self._known: dict[str, Collection] = {}
        self._foreign: set[str] = set()
        self._active_name = ""
        self._opened = False
        self._nothing = self._collection("", None)
        self._changing = asyncio.Lock()
        self._running_look: asyncio.Task[None] | None = None
        self._next_look: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Meet what the server has.

        Raises:
            IndexUnusable: it is too old, refuses the key, or has something else of this name.
            ServiceUnavailable, DeadlineExceeded: it is away.
        """
        version = await check_version(self._connection)
        names = await self._names()
        if self._name in names:
            raise IndexUnusable(
                f"Qdrant has a collection {self._name!r} that is not Viewfinder's:"
                " choose another QDRANT_COLLECTION"
            )
        await self._look()
        self._opened = True
        log.info("connected to Qdrant", version=version, active=self._active_name or None)

    @property
    def active(self) -> Collection:
        """The one that answers searches. Raises ServiceUnavailable before `open` succeeded."""
        if not self._opened:
            raise ServiceUnavailable(service="Qdrant")
        return self._known.get(self._active_name, self._nothing)

    async def prepare(self, spec: EncoderSpec) -> None:
        """Make a collection for this encoder where there is none at all."""
        await self._look_soon()
        if self.active is self._nothing:
            await self._of(spec)
            async with self._changing:
                await self._look_soon()
                if self.active is self._nothing:
                    await self._point_to(self._name_of(spec))

    async def of_encoder(self, spec: EncoderSpec) -> Collection | None:
        """The one of this encoder, whether it answers or not."""
        name = self._name_of(spec)
        return self._known[name] if await self._meet(name) else None

    async def upsert(
        self, spec: EncoderSpec, points: Sequence[IndexPoint], vectors: Vectors, beside: bool
    ) -> int:
        """Insert or replace, durably; the new epoch.

        `beside`: into the collection of this encoder, made when there is none. Otherwise the
        active one takes them, or refuses another encoder.

        Raises:
            EncoderMismatch, InvalidRequest, StorageFull: see Collection.upsert.
        """
        check_vectors(spec, points, vectors)  # before anything is made for them
        if not spec.is_multi:
            await self.prepare(spec)
        collection = self.active
        if collection.spec != spec:
            if beside or spec.is_multi:
                collection = await self._of(spec)
            else:
                collection = await self._instead_of_empty(collection, spec)

        async def matters() -> bool:
            if spec.is_multi:
                return True
            await self._look_soon()  # another replica may have switched to it meanwhile
            return collection is self.active

        return await self.told(collection.upsert(spec, points, vectors), matters)

    async def set_payload(self, points: Sequence[IndexPoint]) -> int:
        """Replace the payload of those that exist, in all collections."""
        return await self.told(self._on_all(lambda one: one.set_payload(points)))

    async def delete(self, ids: Sequence[UUID]) -> int:
        """Remove from all collections."""
        return await self.told(self._on_all(lambda one: one.delete(ids)))

    async def switch(self, spec: EncoderSpec) -> int:
        """From now on this encoder's collection answers, an empty one where it has met no picture.

        Returns the new epoch. Raises InvalidRequest for a multivector encoder: its pages answer
        beside the active one only.
        """
        check_can_answer(spec)
        await self._of(spec)
        async with self._changing:
            await self._look_soon()
            if self.active.spec != spec:
                # Before the alias moves: caches must let go of the past, whatever comes.
                self._epoch.bump()
                await self._point_to(self._name_of(spec))
                log.info("another encoder answers", encoder=str(spec))
            epoch = self._epoch.bump()
        await self.tell_caches()
        return epoch

    async def drop(self, spec: EncoderSpec) -> None:
        """Remove the collection of this encoder; an unknown one is passed over.

        Raises:
            InvalidRequest: it is the active one.
        """
        async with self._changing:
            await self._look_soon()
            if self.active.spec == spec:
                raise InvalidRequest(
                    field="spec", value=str(spec), allowed="an encoder that does not answer"
                )
            name = self._name_of(spec)
            await self._index(name, spec).drop()
            self._known.pop(name, None)
        if spec.is_multi:  # its pages were among the answers
            self._epoch.bump()
            await self.tell_caches()

    async def in_order(self) -> list[Collection]:
        """The active one first, then the others."""
        others = [one for one in await self._all() if one is not self.active]
        return [self.active, *others]

    async def states(self) -> list[CollectionState]:
        """Of the active one first, then of the others."""
        return [await one.state() for one in await self.in_order()]

    async def close(self) -> None:
        """Finish what is being written, and let go of the connection."""
        await self.all_written()
        await self._connection.close()

    # --- what the server has ---

    async def _names(self) -> list[str]:
        told = await self._connection.call(self._client.get_collections())
        return [one.name for one in told.collections]

    async def _all(self) -> list[Collection]:
        """Every collection of ours that is there now."""
        before = set(self._known)
        _, names = await asyncio.gather(self._look_soon(), self._names())
        for gone in before - set(names):
            self._known.pop(gone, None)
        for name in names:
            if name.startswith(f"{self._name}-") and name not in self._foreign:
                await self._meet(name)
        return list(self._known.values())

    async def _look_soon(self) -> None:
        """Look where the alias points from now on; all who wait meanwhile share it."""
        if self._next_look is None:
            # In a context of its own: the first who asks must not lend the others his deadline.
            self._next_look = asyncio.create_task(
                self._look_after(self._running_look), context=contextvars.Context()
            )
            self._next_look.add_done_callback(_seen)
        await asyncio.shield(self._next_look)

    async def _look_after(self, running: asyncio.Task[None] | None) -> None:
        if running is not None:
            await asyncio.wait([running])
        self._running_look, self._next_look = self._next_look, None
        await self._look()

    async def _look(self) -> None:
        told = await self._connection.call(self._client.get_aliases())
        targets = [one.collection_name for one in told.aliases if one.alias_name == self._name]
        name = targets[0] if targets else ""
        if name and not await self._meet(name):
            raise IndexUnusable(
                f"the alias {self._name!r} points to {name!r}, which is not Viewfinder's:"
                " choose another QDRANT_COLLECTION"
            )
        self._active_name = name

    async def _meet(self, name: str) -> bool:
        """Know this collection; whether it is ours."""
        if name in self._known:
            return True
        try:
            told = await self._connection.call(self._client.get_collection(name))
        except CollectionMissing:
            return False
        spec = self._spec_in(told.config.metadata)
        if spec is None:
            self._foreign.add(name)
            return False
        await self._index(name, spec).add_payload_indexes(told.payload_schema)
        self._known.setdefault(name, self._collection(name, spec))
        return True

    def _spec_in(self, metadata: dict[str, Any] | None) -> EncoderSpec | None:
        try:
            ours = (metadata or {})[OURS]
            return EncoderSpec.from_json(ours["encoder"]) if ours["name"] == self._name else None
        except (KeyError, TypeError, ValueError):
            return None

    # --- changing it ---

    async def _of(self, spec: EncoderSpec) -> Collection:
        """The collection of this encoder, made when there is none."""
        name = self._name_of(spec)
        async with self._changing:
            if not await self._meet(name):
                self._foreign.discard(name)
                await self._index(name, spec).create_if_missing(spec.dim)
                if not await self._meet(name):
                    raise IndexFault(f"Qdrant keeps no metadata of its collection {name}")
            return self._known[name]

    async def _instead_of_empty(self, collection: Collection, spec: EncoderSpec) -> Collection:
        """This encoder's collection, when the active one is of another and holds nothing."""
        if collection.spec is not None and await collection.count():
            check_encoder(collection.spec, spec)
        former = collection.spec
        await self.switch(spec)
        if former is not None:
            await self.drop(former)
        return self.active

    async def _point_to(self, name: str) -> None:
        create = models.CreateAliasOperation(
            create_alias=models.CreateAlias(collection_name=name, alias_name=self._name)
        )
        moves: list[Any] = [create]
        if self._active_name:
            moves.insert(
                0,
                models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=self._name)),
            )
        await self._connection.call(self._client.update_collection_aliases(moves))
        self._active_name = name

    async def _on_all(self, write: Callable[[Collection], Awaitable[int]]) -> int:
        if not self._opened:
            raise ServiceUnavailable(service="Qdrant")
        written = await on_each([write(one) for one in await self._all()])
        return max(written, default=self._epoch.bump())

    # --- making the parts ---

    def _collection(self, name: str, spec: EncoderSpec | None) -> Collection:
        return Collection(
            self._index(name, spec), StoredBinding(spec), self._epoch, self._recall_every_s
        )

    def _index(self, name: str, spec: EncoderSpec | None) -> ServerIndex:
        async def confirm() -> None:
            await self._look_soon()
            if self._active_name != name:
                # Asked again, which every client does, the other one answers.
                raise ServiceUnavailable(_SERVICE, "another encoder answers from now on")

        stored = None if spec is None else {"name": self._name, "encoder": spec.as_json()}
        return ServerIndex(
            self._connection,
            name,
            self._options,
            self._layout,
            dim=None if spec is None else spec.dim,
            multi=spec is not None and spec.is_multi,
            metadata={OURS: stored},
            confirm=always if spec is not None and spec.is_multi else confirm,
        )

    def _name_of(self, spec: EncoderSpec) -> str:
        """QDRANT_COLLECTION, the encoder's name, and a digest of all that is in the spec."""
        digest = hashlib.sha256(json.dumps(spec.as_json(), sort_keys=True).encode()).hexdigest()
        readable = re.sub(r"[^a-z0-9]+", "-", spec.name.lower()).strip("-")[:64]
        return f"{self._name}-{readable}-{digest[:16]}"


def _seen(look: asyncio.Task[None]) -> None:
    """Those who waited may all have gone; then nobody else asks why it failed."""
    if not look.cancelled():
        look.exception()
