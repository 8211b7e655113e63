"""The vision model that the settings name."""

from __future__ import annotations

from viewfinder.vision.chat import Chat
from viewfinder.vision.model import VisionModel
from viewfinder.vision.ollama_chat import OllamaChat
from viewfinder.vision.openai_chat import OpenAiChat
from viewfinder.vision.patience import Patience
from viewfinder.vision.settings import VisionSettings


def open_vision_model(settings: VisionSettings) -> VisionModel | None:
    """None while it is switched off. Connects, and imports its client, when first used."""
    if not settings.llm_enabled:
        return None
    chat = _chat(settings)
    patience = Patience(
        chat.model,
        chat.server,
        timeout_s=settings.llm_timeout_s,
        first_token_timeout_s=settings.llm_first_token_timeout_s,
        concurrency=settings.llm_concurrency,
    )
    return VisionModel(chat, patience)


def _chat(settings: VisionSettings) -> Chat:
    if settings.llm_base_url:
        return OpenAiChat(
            settings.llm_model,
            settings.llm_base_url,
            api_key=settings.openai_api_key,
            proxy=settings.llm_proxy,
            timeout_s=settings.llm_timeout_s,
        )
    return OllamaChat(
        settings.llm_model,
        settings.ollama_host,
        api_key=settings.ollama_api_key,
        proxy=settings.llm_proxy,
        timeout_s=settings.llm_timeout_s,
        context_tokens=settings.llm_context_tokens,
    )
