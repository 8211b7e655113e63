"""The encoders that are loaded: the one of the settings, and others while they are asked for.

While the index moves from one encoder to another, queries need the first and pictures the second.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

import structlog

from embedding_service.embedder import Embedder
from embedding_service.encoder_loading import UnknownEncoder
from embedding_service.multi_embedder import MultiVectorEmbedder
from viewfinder.errors import InvalidRequest

MAX_OTHERS = 2  # the next and the one before; each holds a model in memory

log = structlog.get_logger()


class EmbedderSet:
    """`default` is always there, `document`, the one for pages, where the settings name one; `load`
    makes another by its name, blocking, in a thread."""

    def __init__(
        self,
        default: Embedder,
        load: Callable[[str], Embedder],
        document: MultiVectorEmbedder | None = None,
    ) -> None:
        self._default = default
        self.document = document
        self._load = load
        self._others: OrderedDict[str, Embedder] = OrderedDict()
        self._loading = asyncio.Lock()

    async def get(self, name: str) -> Embedder | MultiVectorEmbedder:
        """The embedder of the encoder of this name; empty: of the settings' own.

        Raises:
            InvalidRequest: there is no encoder of this name.
        """
        if name in ("", self._default.spec.name):
            return self._default
        if self.document is not None and name == self.document.spec.name:
            return self.document
        if name not in self._others:
            async with self._loading:
                if name not in self._others:
                    await self._add(name)
        self._others.move_to_end(name)
        return self._others[name]

    async def _add(self, name: str) -> None:
        try:
            self._others[name] = await asyncio.to_thread(self._load, name)
        except UnknownEncoder as error:
            raise InvalidRequest(
                field="encoder",
                value=repr(name[:100]),
                allowed=f"mini, or one of `viewfinder models list` ({error})",
            ) from error
        spec = self._others[name].spec
        log.info("another encoder loaded", encoder=spec.name, revision=spec.revision)
        while len(self._others) > MAX_OTHERS:
            unused, embedder = self._others.popitem(last=False)
            log.info("an encoder is not used any more", encoder=unused)
            await embedder.close()

    async def close(self) -> None:
        """Finish what is queued."""
        all_of_them = [self._default, *self._others.values()]
        await asyncio.gather(*(one.close() for one in all_of_them))
        if self.document is not None:
            await self.document.close()
