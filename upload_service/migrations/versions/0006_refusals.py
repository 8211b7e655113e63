"""Which model could not describe a picture, and how often its server refused it."""

from __future__ import annotations

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


def downgrade() -> None:
    for column in ("failure_model", "refusals"):
        op.drop_column("descriptions", column)
