"""What a chat with a model server is made of, whichever protocol it speaks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol


@dataclass(frozen=True)
class Message:
    """One turn. `images`: JPEG bytes, in the order in which the text speaks of them."""

    role: Literal["system", "user", "assistant"]
    text: str
    images: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Sampling:
    """How freely, and how much at most, the model writes."""

    temperature: float
    max_tokens: int


@dataclass(frozen=True)
class Shape:
    """The JSON that an answer must be; `name` is for the server's own messages."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True)
class ModelState:
    """What a server says of the model. None: it does not tell."""

    reachable: bool
    present: bool | None = None
    sees: bool | None = None
    detail: str = ""


class Chat(Protocol):
    """A model behind a server. One attempt a call: patience.py decides about further ones.

    All calls raise VisionModelUnavailable, VisionModelMissing, VisionModelFailed, Overloaded or
    DeadlineExceeded.
    """

    model: str
    server: str

    def stream(self, messages: Sequence[Message], sampling: Sampling) -> AsyncGenerator[str, None]:
        """The answer in pieces; an empty one is a sign of life. To be closed by who leaves early:
        the server then stops."""
        ...

    async def shaped(self, messages: Sequence[Message], sampling: Sampling, shape: Shape) -> str:
        """The whole answer; JSON of this shape as far as the server can enforce it."""
        ...

    async def state(self) -> ModelState:
        """Whether the server answers, has the model, and the model sees. Raises nothing."""
        ...

    async def open(self) -> None:
        """Import and prepare the client, so that the first call need not.

        Raises VisionModelUnavailable when the address is none."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...
