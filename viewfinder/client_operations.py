"""The part of the client about Viewfinder itself: how it is, and moving to another encoder."""

from __future__ import annotations

from pydantic import ValidationError

from viewfinder import api_models as api
from viewfinder.client_answers import raise_problem
from viewfinder.client_connection import Connection

LOADING_TIMEOUT_S = 120.0
"""While an encoder is loaded."""


class Operations(Connection):
    """A connection that can be asked how the gateway is."""

    # --- moving to another encoder ---

    def start_reindex(self, encoder: str, *, hold: bool = False) -> api.Reindex:
        """Embed all pictures with this encoder in the background, then switch to it.

        Raises:
            InvalidRequest: there is no such encoder, it answers already, or another reindex runs.
        """
        request = {"encoder": encoder, "hold": hold}
        # The encoder may have to be loaded first.
        return self._call("POST", "/reindex", api.Reindex, json=request, timeout=LOADING_TIMEOUT_S)

    def reindex(self) -> api.Reindex:
        """How far it is."""
        return self._call("GET", "/reindex", api.Reindex)

    def switch_encoder(self, *, back: bool = False) -> api.Reindex:
        """To the candidate that is complete, or back to the encoder before.

        Raises:
            InvalidRequest: there is nothing to switch to.
        """
        return self._call("POST", "/reindex/switch", api.Reindex, json={"back": back})

    def forget_encoder(self, *, previous: bool = False) -> api.Reindex:
        """Cancel the reindex, or give up the way back and free its disk space.

        Raises:
            InvalidRequest: there is nothing to forget.
        """
        which = {"previous": "true" if previous else "false"}
        return self._call("DELETE", "/reindex", api.Reindex, params=which)

    # --- status ---

    def health(self) -> api.Health:
        """Whether the gateway lives, and in short what it reaches."""
        return self._call("GET", "/health", api.Health)

    def ready(self) -> api.Ready:
        """Whether every part is ready; not being ready is an answer here, no error."""
        response = self._request("GET", "/ready")
        try:
            return api.Ready.model_validate_json(response.content)
        except ValidationError:
            raise_problem(response)
            raise

    def stats(self) -> api.Stats:
        """Latencies and sizes."""
        return self._call("GET", "/stats", api.Stats)
