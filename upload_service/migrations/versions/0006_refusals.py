"""Which model could not describe a picture, and how often its server refused it; and what is
described is brought to the index again, where words of descriptions are told from others by now."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("failure_model", sa.String(200), nullable=False, server_default=""),
        sa.Column("refusals", sa.Integer, nullable=False, server_default="0"),
    ):
        op.add_column("descriptions", column)
    op.execute(
        "UPDATE images SET version = version + 1"
        " WHERE seq IN (SELECT seq FROM descriptions WHERE content IS NOT NULL)"
    )
    op.execute(
        sa.text(
            "UPDATE images SET work_due = :now WHERE state = 'indexed' AND work_due IS NULL"
            " AND seq IN (SELECT seq FROM descriptions WHERE content IS NOT NULL)"
        ).bindparams(now=time.time())
    )


def downgrade() -> None:
    for column in ("failure_model", "refusals"):
        op.drop_column("descriptions", column)
