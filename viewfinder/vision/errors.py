"""What goes wrong with a vision model; viewfinder/errors.py has them among all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from viewfinder.error_base import ViewfinderError


@dataclass(eq=False)
class VisionModelDisabled(ViewfinderError):
    """Something that needs a vision model, and none is set up."""

    what: str
    code: ClassVar[str] = "llm_disabled"
    http_status: ClassVar[int] = 409
    grpc_status: ClassVar[str] = "FAILED_PRECONDITION"
    title: ClassVar[str] = "No vision model is set up"
    template: ClassVar[str] = (
        "{what} needs a vision model, and none is set up: set LLM_ENABLED=true and LLM_MODEL for"
        " the gateway and the workers, and for Ollama OLLAMA_HOST where it is not on this"
        " machine, or for any OpenAI-compatible server LLM_BASE_URL and OPENAI_API_KEY;"
        " then restart"
    )


@dataclass(eq=False)
class VisionModelUnavailable(ViewfinderError):
    """The server of the vision model cannot be reached, or is not able to answer now."""

    model: str
    server: str
    reason: str
    code: ClassVar[str] = "llm_unavailable"
    http_status: ClassVar[int] = 503
    grpc_status: ClassVar[str] = "UNAVAILABLE"
    title: ClassVar[str] = "The vision model is away"
    template: ClassVar[str] = "The vision model {model} at {server} is unavailable: {reason}"


@dataclass(eq=False)
class VisionModelMissing(ViewfinderError):
    """The server does not have the model."""

    model: str
    server: str
    hint: str
    code: ClassVar[str] = "llm_model_missing"
    http_status: ClassVar[int] = 503
    grpc_status: ClassVar[str] = "FAILED_PRECONDITION"
    title: ClassVar[str] = "The vision model is not there"
    template: ClassVar[str] = "{server} does not have the model {model}: {hint}"


@dataclass(eq=False)
class VisionModelFailed(ViewfinderError):
    """The vision model, or its server, answered with an error or with something unusable."""

    model: str
    server: str
    reason: str
    code: ClassVar[str] = "llm_failed"
    http_status: ClassVar[int] = 502
    grpc_status: ClassVar[str] = "INTERNAL"
    title: ClassVar[str] = "The vision model failed"
    template: ClassVar[str] = "The vision model {model} at {server} failed: {reason}"


@dataclass(eq=False)
class VisionModelRefused(VisionModelFailed):
    """The server of the vision model does not take what it was sent: a picture that it cannot read
    or may not look at, or, where it takes no picture at all, whatever it is sent."""

    code: ClassVar[str] = "llm_refused"
    title: ClassVar[str] = "The vision model's server refuses this"
    template: ClassVar[str] = "The vision model {model} at {server} refuses this: {reason}"


REFUSED_STATUS = (400, 413, 415, 422)
"""With which servers say that; not that a key, a model or an address is wrong."""
