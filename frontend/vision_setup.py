"""How to get a vision model, where there is none."""

from __future__ import annotations

import streamlit as st

from frontend.session import as_text, client

_KNOWN_FOR_S = 20.0


@st.cache_data(ttl=_KNOWN_FOR_S, show_spinner=False)
def has_vision_model() -> bool:
    """Whether one is switched on; whether it answers is another question.

    Raises:
        ViewfinderError: the gateway cannot be asked.
    """
    return client().descriptions().enabled


def how_to_switch_on(use: str, detail: str = "") -> None:
    """What to do so that `use` works; `detail`: what the gateway said of it."""
    st.info(f"**No vision model is set up yet.** {as_text(use)} needs one; searching does not.")
    st.markdown("With [Ollama](https://ollama.com) on this machine, for example:")
    st.code(
        "ollama pull qwen2.5vl:7b\n"
        "export LLM_ENABLED=true LLM_MODEL=qwen2.5vl:7b\n"
        "viewfinder down; viewfinder up --detach",
        language="sh",
        wrap_lines=True,
    )
    st.caption(
        as_text(detail)
        or "A server that speaks OpenAI's protocol works too: set `LLM_BASE_URL` to it."
    )
