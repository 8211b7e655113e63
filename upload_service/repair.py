"""What a crash or a lost file leaves behind, put right once at start."""

from __future__ import annotations

from itertools import islice

import structlog

from upload_service.catalog import Catalog
from viewfinder.blobs import OriginalStore

log = structlog.get_logger()

_ORPHAN_AGE_S = 3600.0
_KEYS_AT_ONCE = 50  # each batch holds up the writer


def repair(catalog: Catalog, originals: OriginalStore) -> None:
    """Do all of it. Blocking, for a thread beside the service; a fault is logged, not raised."""
    try:
        removed = remove_orphans(catalog, originals)
        lost = fail_the_lost(catalog, originals)
    except Exception:
        log.exception("the catalogue and the originals could not be compared")
        return
    if removed or lost:
        log.warning(
            "catalogue and originals put right", orphans_removed=removed, originals_lost=lost
        )


def remove_orphans(catalog: Catalog, originals: OriginalStore) -> int:
    """Remove originals that no row names: a crash came between blob and row, and nobody was told.

    Only those older than an hour. Blocking; returns how many.
    """
    removed = 0
    keys = iter(originals.keys_older_than(_ORPHAN_AGE_S))
    while some := list(islice(keys, _KEYS_AT_ONCE)):
        removed += catalog.drop_orphans(some, originals.delete)
    return removed


def fail_the_lost(catalog: Catalog, originals: OriginalStore) -> int:
    """Fail pictures that wait for a worker but have no original; sent again they are whole.

    Indexed ones stay: they are found as before, and sending them again brings the original back.
    Blocking; returns how many.
    """
    return sum(
        catalog.fail_without_original(key, ids, originals.exists)
        for key, ids in catalog.waiting()
        if not originals.exists(key)
    )
