"""A model of an OpenAI-compatible server: OpenAI, Groq, Gemini, vLLM, llama.cpp, Ollama's /v1.

The only module that imports `openai`. These servers agree on the core and differ at the edges, so
what one refuses is asked for in the next simpler way, and remembered.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

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
    from openai import APIError, AsyncOpenAI

_NO_KEY = "none"  # the client insists on one, and servers without keys ignore it
_UNAUTHORIZED = (401, 403)
_NOT_FOUND = 404
_TOO_MANY = 429
_SERVER_ERRORS = 500
_NOT_ALLOWED = (400, 404, 415, 422, 501)
_RETRY_S = 5
_LONGEST_RETRY_S = 600
_FORMATS = ("json_schema", "json_object", "text")
_HEADERS = {
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "host",
}


class OpenAiChat:
    """`base_url` up to and with /v1."""

    def __init__(
        self,
        model: str,
        base_url: str,
        *,
        api_key: str = "",
        proxy: str = "",
        timeout_s: float = 120.0,
    ) -> None:
        self.model = model
        self.server = base_url
        self._api_key = api_key
        self._proxy = proxy
        self._timeout_s = timeout_s
        self._client: AsyncOpenAI | None = None
        self._opening = asyncio.Lock()
        self._format = _FORMATS[0]
        self._tokens = "max_tokens"
        self._takes_temperature = True

    async def open(self) -> None:
        """See Chat."""
        async with self._opening:
            if self._client is None:
                try:
                    self._client = await asyncio.to_thread(self._make)
                except (ValueError, httpx.InvalidURL) as error:
                    raise self._away(f"LLM_BASE_URL is no address: {_said(error)}") from error

    def _make(self) -> AsyncOpenAI:
        from openai import AsyncOpenAI

        http = httpx.AsyncClient(
            timeout=timeout(self._timeout_s),
            transport=BoundedTransport(self.server, self._proxy),
            trust_env=False,
            follow_redirects=False,
            event_hooks={"request": [self._own_headers_only]},
        )
        return AsyncOpenAI(
            api_key=self._api_key or _NO_KEY,
            base_url=self.server,
            max_retries=0,
            timeout=timeout(self._timeout_s),
            http_client=http,
            # None would have them looked up in the environment.
            organization="",
            project="",
            webhook_secret="",
            admin_api_key="",
        )

    async def _own_headers_only(self, request: httpx.Request) -> None:
        """The client tells of this machine, and sends what the environment says; we do neither."""
        for name in set(request.headers) - _HEADERS:
            del request.headers[name]
        request.headers["user-agent"] = "viewfinder"
        request.headers["authorization"] = f"Bearer {self._api_key or _NO_KEY}"

    async def close(self) -> None:
        """See Chat."""
        if self._client is not None:
            await self._client.close()

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling
    ) -> AsyncGenerator[str, None]:
        """See Chat."""
        with self._faults():
            parts = await self._ask(messages, sampling, None, stream=True)
            try:
                is_whole = False
                async for part in parts:
                    for choice in part.choices[:1]:
                        is_whole = is_whole or choice.finish_reason is not None
                        yield choice.delta.content or ""
            finally:
                await parts.close()
            if not is_whole:
                raise self._failed("its answer broke off")

    async def shaped(self, messages: Sequence[Message], sampling: Sampling, shape: Shape) -> str:
        """See Chat."""
        with self._faults():
            answer = await self._ask(messages, sampling, shape, stream=False)
            return answer.choices[0].message.content or ""

    async def state(self) -> ModelState:
        """See Chat. Most of these servers do not tell whether a model sees."""
        try:
            with self._faults():
                models = await (await self._opened()).models.list()
                names = {model.id.removeprefix("models/") for model in models.data}
        except VisionModelMissing:
            return ModelState(reachable=True, detail="it does not list its models")
        except VisionModelFailed as error:
            return ModelState(reachable=True, detail=error.message)
        except (VisionModelUnavailable, DeadlineExceeded, Overloaded) as error:
            return ModelState(reachable=False, detail=error.message)
        if self.model.removeprefix("models/") in names:
            return ModelState(reachable=True, present=True)
        known = one_line(", ".join(sorted(names)))
        return ModelState(
            reachable=True, present=False, detail=f"it has no {self.model}, only {known or 'none'}"
        )

    async def _opened(self) -> AsyncOpenAI:
        await self.open()
        assert self._client is not None
        return self._client

    async def _ask(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        shape: Shape | None,
        *,
        stream: bool,
    ) -> Any:
        """Once more in a simpler way for each thing that this server does not know."""
        from openai import APIStatusError

        client = await self._opened()
        while True:
            options = self._options(sampling, shape)
            try:
                return await client.chat.completions.create(
                    model=self.model,
                    messages=_as_openai(messages),  # type: ignore[arg-type]
                    stream=stream,
                    **options,
                )
            except APIStatusError as error:
                if error.status_code not in _NOT_ALLOWED or not self._make_simpler(error, options):
                    raise

    def _options(self, sampling: Sampling, shape: Shape | None) -> dict[str, Any]:
        options: dict[str, Any] = {self._tokens: sampling.max_tokens}
        if self._takes_temperature:
            options["temperature"] = sampling.temperature
        if shape is not None and self._format == "json_schema":
            wanted = {"name": shape.name, "schema": dict(shape.schema), "strict": True}
            options["response_format"] = {"type": "json_schema", "json_schema": wanted}
        elif shape is not None and self._format == "json_object":
            options["response_format"] = {"type": "json_object"}
        return options

    def _make_simpler(self, error: APIError, asked: dict[str, Any]) -> bool:
        """Whether there is something left to leave out."""
        said = f"{error.message} {error.body}".lower()
        if "max_completion_tokens" in said and "max_tokens" in asked:
            self._tokens = "max_completion_tokens"
        elif "temperature" in said and "temperature" in asked:
            self._takes_temperature = False
        elif "response_format" in asked and any(
            word in said for word in ("response_format", "json_schema", "json_object", "schema")
        ):
            # A call beside this one may have moved on already.
            sent = _FORMATS.index(asked["response_format"]["type"])
            self._format = _FORMATS[max(_FORMATS.index(self._format), sent + 1)]
        else:
            return False
        return True

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Whatever goes wrong, as one of our errors."""
        from openai import APIConnectionError, APIError, APIStatusError, APITimeoutError

        try:
            yield
        except APITimeoutError as error:
            if isinstance(error.__cause__, httpx.ConnectTimeout):
                raise self._away("it cannot be reached") from error
            raise DeadlineExceeded(service=f"the vision model {self.model}") from error
        except APIConnectionError as error:
            cause = error.__cause__
            if isinstance(cause, httpx.ConnectError):
                raise self._away("nothing answers there") from error
            raise self._failed(f"the connection broke: {_said(cause or error)}") from error
        except APIStatusError as error:
            raise self._answered(error) from error
        except APIError as error:
            raise self._failed(_said(error)) from error
        except httpx.TimeoutException as error:
            raise DeadlineExceeded(service=f"the vision model {self.model}") from error
        except httpx.HTTPError as error:
            raise self._failed(f"the connection broke: {_said(error)}") from error
        except (ValueError, AttributeError, TypeError, IndexError) as error:
            # The client believes what it gets.
            raise self._failed(
                "its answer is not one of an OpenAI-compatible server; does the address end in /v1?"
            ) from error

    def _answered(
        self, error: Any
    ) -> VisionModelMissing | VisionModelUnavailable | VisionModelFailed | Overloaded:
        status, said = int(error.status_code), _said(error)
        if status in _UNAUTHORIZED:
            return self._failed(f"it does not accept the key, see OPENAI_API_KEY: {said}")
        if status == _NOT_FOUND:
            hint = "see LLM_MODEL, and whether LLM_BASE_URL ends in /v1"
            return VisionModelMissing(model=self.model, server=self.server, hint=f"{said}; {hint}")
        if status == _TOO_MANY and error.code != "insufficient_quota":
            after = error.response.headers.get("retry-after", "")
            seconds = int(float(after)) if after.replace(".", "", 1).isdecimal() else _RETRY_S
            return Overloaded(
                what=f"the vision model at {self.server}",
                retry_after_s=min(max(1, seconds), _LONGEST_RETRY_S),
            )
        if status >= _SERVER_ERRORS:
            return self._away(said)
        if status in REFUSED_STATUS:
            return VisionModelRefused(model=self.model, server=self.server, reason=said)
        return self._failed(said)

    def _failed(self, reason: str) -> VisionModelFailed:
        return VisionModelFailed(model=self.model, server=self.server, reason=reason)

    def _away(self, reason: str) -> VisionModelUnavailable:
        return VisionModelUnavailable(model=self.model, server=self.server, reason=reason)


def _as_openai(messages: Sequence[Message]) -> list[dict[str, Any]]:
    return [
        {"role": one.role, "content": _content(one) if one.images else one.text} for one in messages
    ]


def _content(message: Message) -> list[dict[str, Any]]:
    """Each picture behind its number, the text last."""
    parts: list[dict[str, Any]] = []
    for number, image in enumerate(message.images, 1):
        address = f"data:image/jpeg;base64,{base64.b64encode(image).decode()}"
        parts.append({"type": "text", "text": f"Picture [{number}]:"})
        parts.append({"type": "image_url", "image_url": {"url": address}})
    return [*parts, {"type": "text", "text": message.text}]


def _said(error: BaseException) -> str:
    body = getattr(error, "body", None)
    said = body.get("message") if isinstance(body, dict) else None
    return one_line(str(said or error)) or type(error).__name__
