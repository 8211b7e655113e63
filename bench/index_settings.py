"""The index as search_service would open it, for commands that open it themselves."""

from __future__ import annotations

from search_service.settings import SearchSettings
from search_service.vector_index import IndexFault, IndexUnusable
from viewfinder.settings import load_settings

__all__ = ["IndexFault", "IndexUnusable", "index_settings"]


def index_settings() -> SearchSettings:
    """From environment and `.env`."""
    return load_settings(SearchSettings)
