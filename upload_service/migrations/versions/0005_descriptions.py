"""What a vision model says of pictures and pages, and which of them wait to be described."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "descriptions",
        sa.Column(
            "seq", sa.Integer, sa.ForeignKey("images.seq", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("content", sa.JSON),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("edited", sa.Boolean, nullable=False),
        sa.Column("described_at", sa.Float),
        sa.Column("took_s", sa.Float, nullable=False),
        sa.Column("failure", sa.String, nullable=False),
        sa.Column("turn", sa.Integer, nullable=False),
        sa.Column("due", sa.Float),
        sa.Column("claim_id", sa.String(64)),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("retries", sa.Integer, nullable=False),
    )
    for name, columns, where in (
        ("ix_descriptions_due", ["turn", "due"], "due IS NOT NULL"),
        ("ix_descriptions_claim_id", ["claim_id"], "claim_id IS NOT NULL"),
        ("ix_descriptions_described_at", ["described_at"], "described_at IS NOT NULL"),
        ("ix_descriptions_edited", ["edited"], "edited"),
        ("ix_descriptions_failure", ["seq"], "failure != '' AND due IS NULL"),
    ):
        op.create_index(
            name,
            "descriptions",
            columns,
            sqlite_where=sa.text(where),
            postgresql_where=sa.text(where),
        )


def downgrade() -> None:
    op.drop_table("descriptions")
