"""Encoders beside the active one, and which pictures they have vectors of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "encoders",
        sa.Column("key", sa.String(200), primary_key=True),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("role", sa.String(16), nullable=False, unique=True),
        sa.Column("cursor", sa.Integer, nullable=False),
        sa.Column("hold", sa.Boolean, nullable=False),
        sa.Column("announce", sa.Boolean, nullable=False),
        sa.Column("started_at", sa.Float, nullable=False),
    )
    op.create_table(
        "image_vectors",
        sa.Column(
            "encoder",
            sa.String(200),
            sa.ForeignKey("encoders.key", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column(
            "seq", sa.Integer, sa.ForeignKey("images.seq", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("failure", sa.String, nullable=False),
        sa.Column("due", sa.Float),
        sa.Column("claim_id", sa.String(64)),
        sa.Column("tries", sa.Integer, nullable=False),
    )
    op.create_index("ix_image_vectors_seq", "image_vectors", ["seq"])
    op.create_index("ix_image_vectors_due", "image_vectors", ["due"])


def downgrade() -> None:
    op.drop_table("image_vectors")
    op.drop_table("encoders")
