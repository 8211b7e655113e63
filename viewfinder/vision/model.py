"""A vision model that looks at pictures: answers, ranks, explains, describes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import TypeVar

from viewfinder.errors import ViewfinderError, VisionModelFailed
from viewfinder.vision import prompts
from viewfinder.vision.chat import Chat, Message, ModelState, Sampling, Shape
from viewfinder.vision.patience import Patience
from viewfinder.vision.pictures import Description, Ranked, ShownPicture, Turn
from viewfinder.vision.plain import printable
from viewfinder.vision.shapes import (
    DESCRIPTION,
    RANKING,
    NotInShapeError,
    read_description,
    read_ranking,
)

T = TypeVar("T")

MOST_EXPLAINED = 5
"""Pictures that an explanation looks at."""
CHECK_S = 5.0
"""However long answers may take."""

_ANSWER = Sampling(temperature=0.2, max_tokens=1024)
_EXPLAIN = Sampling(temperature=0.3, max_tokens=300)
_RANK = Sampling(temperature=0.0, max_tokens=800)
_DESCRIBE = Sampling(temperature=0.0, max_tokens=1200)


class VisionModel:
    """What the rest of Viewfinder knows of a vision model, whatever serves it.

    All calls raise VisionModelUnavailable, VisionModelMissing or VisionModelFailed, Overloaded when
    too many are asked, DeadlineExceeded when it takes too long. Cancelling one, or closing an
    iterator, has the server stop.
    """

    def __init__(self, chat: Chat, patience: Patience) -> None:
        self._chat = chat
        self._patience = patience

    @property
    def name(self) -> str:
        """As its server calls it."""
        return self._chat.model

    @property
    def server(self) -> str:
        """Where it is, for people."""
        return self._chat.server

    def answer(
        self, question: str, pictures: Sequence[ShownPicture], history: Sequence[Turn] = ()
    ) -> AsyncGenerator[str, None]:
        """The answer in pieces of plain text; pictures are named [1], [2] in their order."""
        return self._written(prompts.answer(question, pictures, history), _ANSWER)

    def explain(self, query: str, pictures: Sequence[ShownPicture]) -> AsyncGenerator[str, None]:
        """Why these were found, in pieces; looks at the first MOST_EXPLAINED."""
        return self._written(prompts.explain(query, pictures[:MOST_EXPLAINED]), _EXPLAIN)

    async def rank(self, query: str, pictures: Sequence[ShownPicture], best: int) -> list[Ranked]:
        """The `best` of the pictures or fewer, in the model's order, in one call."""
        messages = prompts.rank(query, pictures, best, RANKING)
        ranked = await self._shaped(
            messages, _RANK, RANKING, lambda text: read_ranking(text, len(pictures))
        )
        return ranked[:best]

    async def describe(self, picture: ShownPicture) -> Description:
        """What it shows."""
        messages = prompts.describe(picture, DESCRIPTION)
        return await self._shaped(messages, _DESCRIBE, DESCRIPTION, read_description)

    async def check(self, within_s: float = CHECK_S) -> ModelState:
        """Whether its server answers, has it, and it can look at pictures. Raises nothing."""
        try:
            await self._chat.open()
            async with asyncio.timeout(within_s):
                return await self._chat.state()
        except TimeoutError:
            detail = f"{self.server} does not answer within {within_s:g} s"
            return ModelState(reachable=False, detail=detail)
        except ViewfinderError as error:
            return ModelState(reachable=False, detail=error.message)

    async def open(self) -> None:
        """Prepare, so that the first call is as quick as the others."""
        await self._chat.open()

    async def close(self) -> None:
        """Close all connections."""
        await self._chat.close()

    async def _written(
        self, messages: Sequence[Message], sampling: Sampling
    ) -> AsyncGenerator[str, None]:
        await self._chat.open()  # importing a client is not the model's time
        pieces = self._patience.stream(lambda: self._chat.stream(messages, sampling))
        async with aclosing(pieces):
            async for piece in pieces:
                if text := printable(piece):
                    yield text

    async def _shaped(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        shape: Shape,
        read: Callable[[str], T],
    ) -> T:
        """In shape at once or when told what was wrong; else it is refused."""
        await self._chat.open()
        asked = messages
        while True:
            text = await self._patience.whole(partial(self._chat.shaped, asked, sampling, shape))
            try:
                return read(text)
            except NotInShapeError as error:
                if asked is not messages:
                    raise VisionModelFailed(
                        model=self.name,
                        server=self.server,
                        reason=f"it did not answer in the form asked for: {error}",
                    ) from error
                asked = prompts.again(messages, text, str(error), shape)
