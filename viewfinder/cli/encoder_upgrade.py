"""After an update of Viewfinder: vectors of an older revision of the same encoder are made anew.

Nobody can embed a query for them any more, so until that is done no search can be answered.
"""

from __future__ import annotations

from viewfinder.client import Client
from viewfinder.errors import ViewfinderError


def begin_if_outdated(client: Client) -> str:
    """Starts a reindex where the encoder of the settings is a newer revision of the index's.

    Returns what to tell the person, empty where there is nothing to do. A gateway that cannot
    answer now is no reason to fail.
    """
    try:
        now, index = client.health().encoder, client.stats().collection
        was = index.encoder
        if now is None or was is None or not index.vectors_count or now == was:
            return ""
        if now.name != was.name:
            return ""  # chosen: `viewfinder reindex` moves it, or the settings were changed
        reindex = client.reindex()
        if reindex.state == "idle":
            reindex = client.start_reindex(now.name)
    except ViewfinderError:
        return ""
    return (
        f"The encoder {now.name} is newer than the index: {reindex.total:,} pictures are embedded"
        " again. Searches are answered when it is done; watch it with: viewfinder reindex --status"
    )
