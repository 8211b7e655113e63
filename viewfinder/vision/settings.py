"""Which vision model is asked, and how patiently."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from viewfinder.settings import SharedSettings


class VisionSettings(SharedSettings):
    """What every process reads that asks a vision model. Off unless LLM_ENABLED."""

    llm_enabled: bool = Field(
        False,
        alias="LLM_ENABLED",
        description="Let a vision model answer questions, rank, explain and describe;"
        " needs LLM_MODEL",
    )
    llm_model: str = Field(
        "",
        max_length=200,
        alias="LLM_MODEL",
        description="Name of a model that can look at pictures, as its server calls it, such as"
        " qwen2.5vl:7b of Ollama",
    )
    llm_base_url: str = Field(
        "",
        alias="LLM_BASE_URL",
        description="Address of an OpenAI-compatible server, up to and with its /v1; empty: Ollama",
    )
    openai_api_key: str = Field(
        "",
        alias="OPENAI_API_KEY",
        description="Sent to LLM_BASE_URL, and nowhere else",
        repr=False,
    )
    ollama_host: str = Field(
        "http://127.0.0.1:11434",
        alias="OLLAMA_HOST",
        description="Where Ollama answers; used while LLM_BASE_URL is empty",
    )
    ollama_api_key: str = Field(
        "",
        alias="OLLAMA_API_KEY",
        description="Sent to OLLAMA_HOST as a bearer token, where that asks for one",
        repr=False,
    )
    llm_proxy: str = Field(
        "",
        alias="VIEWFINDER_LLM_PROXY",
        description="Proxy on the way to the model's server, such as http://proxy:3128; those of"
        " the environment are not used",
    )
    llm_timeout_s: float = Field(
        120.0,
        gt=0,
        le=3600,
        alias="VIEWFINDER_LLM_TIMEOUT_S",
        description="Longest whole answer of the vision model, seconds",
    )
    llm_first_token_timeout_s: float = Field(
        60.0,
        gt=0,
        le=3600,
        alias="VIEWFINDER_LLM_FIRST_TOKEN_TIMEOUT_S",
        description="Longest wait for the first word of an answer, seconds; a model that is not"
        " loaded yet is loaded meanwhile",
    )
    llm_concurrency: int = Field(
        2,
        ge=1,
        le=256,
        alias="VIEWFINDER_LLM_CONCURRENCY",
        description="How many calls of the vision model run at once; four times as many may wait",
    )
    llm_max_side: int = Field(
        1024,
        ge=64,
        le=4096,
        alias="VIEWFINDER_LLM_MAX_SIDE",
        description="Pictures are made so small for the vision model, pixels of the longer side;"
        " half of that where many are compared",
    )
    llm_context_tokens: int = Field(
        8192,
        ge=0,
        le=1 << 20,
        alias="VIEWFINDER_LLM_CONTEXT_TOKENS",
        description="Context that Ollama is asked for (num_ctx); pictures need some 1,500 tokens"
        " each, and Ollama's own 4,096 cuts silently. 0: its own",
    )

    llm_price_per_image: float = Field(
        0.0,
        ge=0,
        le=1000,
        alias="VIEWFINDER_LLM_PRICE_PER_IMAGE",
        description="What it costs to have one picture described, in any money; only for the"
        " estimates of `viewfinder describe`. 0: not known",
    )

    @field_validator("llm_base_url", "llm_proxy")
    @classmethod
    def _absolute(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise PydanticCustomError("llm_url", "must start with http:// or https://")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.llm_enabled and not self.llm_model:
            raise PydanticCustomError(
                "llm_model", "LLM_ENABLED is true, so LLM_MODEL must name a model"
            )
        return self
