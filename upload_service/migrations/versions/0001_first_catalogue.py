"""The first catalogue: pictures, their tags, jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "images",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(36), nullable=False, unique=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("blob_key", sa.String(80), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("failure", sa.String, nullable=False),
        sa.Column("file_name", sa.String, nullable=False),
        sa.Column("file_path", sa.String, nullable=False),
        sa.Column("media_type", sa.String(32), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("exif", sa.JSON, nullable=False),
        sa.Column("uploaded_at", sa.Float, nullable=False),
        sa.Column("indexed_at", sa.Float),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("indexed_version", sa.Integer, nullable=False),
        sa.Column("work_due", sa.Float),
        sa.Column("claim_id", sa.String(64)),
        sa.Column("lost_claims", sa.Integer, nullable=False),
        sa.Column("retries", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_images_state", "images", ["state"])
    op.create_index("ix_images_work_due", "images", ["work_due"])
    op.create_index("ix_images_claim_id", "images", ["claim_id"])
    op.create_table(
        "image_tags",
        sa.Column("tag", sa.String, primary_key=True),
        sa.Column(
            "seq", sa.Integer, sa.ForeignKey("images.seq", ondelete="CASCADE"), primary_key=True
        ),
    )
    op.create_index("ix_image_tags_seq", "image_tags", ["seq"])
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.create_table(
        "job_images",
        sa.Column(
            "job_id", sa.String(36), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("image_id", sa.String(36), primary_key=True),
    )


def downgrade() -> None:
    for table in ("job_images", "jobs", "image_tags", "images"):
        op.drop_table(table)
