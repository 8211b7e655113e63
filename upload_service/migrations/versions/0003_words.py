"""Pictures indexed before they could be found by word are brought to the index again, without being
embedded again: a new version, due one after the other, so that uploads keep their turn."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_APART_S = 0.005


def upgrade() -> None:
    op.execute(
        "UPDATE images SET version = version + 1 WHERE state IN ('indexed', 'queued', 'stored')"
    )
    op.execute(
        sa.text(
            "UPDATE images SET work_due ="
            " :now + :apart * ((SELECT max(seq) FROM images) - seq)"  # the newest first
            " WHERE state = 'indexed' AND work_due IS NULL"
        ).bindparams(now=time.time(), apart=_APART_S)
    )


def downgrade() -> None:
    pass
