"""A model of Ollama, through its own client. The only module that imports `ollama`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Any, cast

import httpx

from viewfinder.errors import (
    DeadlineExceeded,
    Overloaded,
    VisionModelFailed,
    VisionModelMissing,
    VisionModelRefused,
    VisionModelUnavailable,
)
from viewfinder.vision.chat import Message, ModelState, Sampling, Shape
from viewfinder.vision.errors import REFUSED_STATUS
from viewfinder.vision.plain import one_line
from viewfinder.vision.transport import BoundedTransport, timeout

if TYPE_CHECKING:
    from ollama import AsyncClient, ChatResponse

_NOT_FOUND = 404
_TOO_MANY = 429
_SERVER_ERRORS = 500
_RETRY_S = 5
_KEEP_LOADED = "10m"


class OllamaChat:
    """`host` as OLLAMA_HOST has it; `context_tokens` 0 leaves Ollama's own."""

    def __init__(
        self,
        model: str,
        host: str,
        *,
        api_key: str = "",
        proxy: str = "",
        timeout_s: float = 120.0,
        context_tokens: int = 0,
    ) -> None:
        self.model = model
        self.server = f"Ollama ({host})"
        self._host = host
        self._api_key = api_key
        self._proxy = proxy
        self._timeout_s = timeout_s
        self._context_tokens = context_tokens
        self._client: AsyncClient | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """See Chat."""
        async with self._opening:
            if self._client is None:
                try:
                    self._client = await asyncio.to_thread(self._make)
                except (ValueError, httpx.InvalidURL) as error:
                    raise self._away(f"OLLAMA_HOST is no address: {_said(error)}") from error

    def _make(self) -> AsyncClient:
        from ollama import AsyncClient

        return AsyncClient(
            self._host,
            headers={"Authorization": f"Bearer {self._api_key}"} if self._api_key else None,
            timeout=timeout(self._timeout_s),
            transport=BoundedTransport(self._host, self._proxy),
            trust_env=False,
            follow_redirects=False,
        )

    async def close(self) -> None:
        """See Chat."""
        if self._client is not None:
            await self._client.close()  # type: ignore[no-untyped-call]

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling
    ) -> AsyncGenerator[str, None]:
        """See Chat."""
        with self._faults():
            is_whole = False
            parts = await (await self._opened()).chat(
                self.model,
                _as_ollama(messages),
                stream=True,
                options=self._options(sampling),
                keep_alive=_KEEP_LOADED,
            )
            async with aclosing(cast("AsyncGenerator[ChatResponse, None]", parts)):
                async for part in parts:
                    is_whole = is_whole or bool(part.done)
                    yield part.message.content or ""
            if not is_whole:
                raise self._failed("its answer broke off")

    async def shaped(self, messages: Sequence[Message], sampling: Sampling, shape: Shape) -> str:
        """See Chat."""
        with self._faults():
            answer = await (await self._opened()).chat(
                self.model,
                _as_ollama(messages),
                format=dict(shape.schema),
                options=self._options(sampling),
                keep_alive=_KEEP_LOADED,
            )
            return answer.message.content or ""

    async def state(self) -> ModelState:
        """See Chat."""
        try:
            with self._faults():
                shown = await (await self._opened()).show(self.model)
        except VisionModelMissing as error:
            return ModelState(reachable=True, present=False, detail=error.message)
        except VisionModelFailed as error:
            return ModelState(reachable=True, detail=error.message)
        except (VisionModelUnavailable, DeadlineExceeded, Overloaded) as error:
            return ModelState(reachable=False, detail=error.message)
        sees = None if shown.capabilities is None else "vision" in shown.capabilities
        detail = "" if sees is not False else f"{self.model} cannot look at pictures"
        return ModelState(reachable=True, present=True, sees=sees, detail=detail)

    async def _opened(self) -> AsyncClient:
        await self.open()
        assert self._client is not None
        return self._client

    def _options(self, sampling: Sampling) -> dict[str, Any]:
        options: dict[str, Any] = {
            "temperature": sampling.temperature,
            "num_predict": sampling.max_tokens,
        }
        if self._context_tokens:
            # The same for every call: Ollama loads the model anew when it changes.
            options["num_ctx"] = self._context_tokens
        return options

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Whatever goes wrong, as one of our errors."""
        from ollama import ResponseError

        try:
            yield
        except ResponseError as error:
            raise self._answered(error.status_code, one_line(str(error.error))) from error
        except httpx.TimeoutException as error:
            if isinstance(error, httpx.ConnectTimeout):
                raise self._away("it cannot be reached") from error
            raise DeadlineExceeded(service=f"the vision model {self.model}") from error
        except (ConnectionError, httpx.ConnectError) as error:
            raise self._away("nothing answers there; start it with `ollama serve`") from error
        except httpx.HTTPError as error:
            raise self._failed(f"the connection broke: {_said(error)}") from error
        except (ValueError, AttributeError, TypeError) as error:
            # Lines that are no JSON, or no objects: the client reads them without looking.
            raise self._failed(
                "its answer is not one of Ollama's; is it another server?"
            ) from error

    def _answered(
        self, status: int, said: str
    ) -> VisionModelMissing | VisionModelUnavailable | VisionModelFailed | Overloaded:
        if status == _NOT_FOUND and "not found" in said:
            return VisionModelMissing(
                model=self.model, server=self.server, hint=f"run `ollama pull {self.model}`"
            )
        if status == _TOO_MANY:
            return Overloaded(what=f"the vision model at {self.server}", retry_after_s=_RETRY_S)
        if status >= _SERVER_ERRORS:
            return self._away(said or f"it answered with status {status}")
        reason = said or f"it answered with status {status}"
        if status in REFUSED_STATUS:
            return VisionModelRefused(model=self.model, server=self.server, reason=reason)
        return self._failed(reason)

    def _failed(self, reason: str) -> VisionModelFailed:
        return VisionModelFailed(model=self.model, server=self.server, reason=reason)

    def _away(self, reason: str) -> VisionModelUnavailable:
        return VisionModelUnavailable(model=self.model, server=self.server, reason=reason)


def _as_ollama(messages: Sequence[Message]) -> list[dict[str, Any]]:
    # Bytes only: a text that happens to be a path would be read from disk.
    return [
        {"role": one.role, "content": one.text, "images": list(one.images) or None}
        for one in messages
    ]


def _said(error: Exception) -> str:
    return one_line(str(error)) or type(error).__name__
