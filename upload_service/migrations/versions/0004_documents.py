"""PDFs and their pages, and what was read in pictures and pages.

Every picture that is indexed waits to be read.
"""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("kind", sa.String(8), nullable=False, server_default="picture"),
        sa.Column("document_id", sa.String(36)),
        sa.Column("page", sa.Integer, nullable=False, server_default="0"),
        sa.Column("pages", sa.Integer, nullable=False, server_default="0"),
        sa.Column("pages_done", sa.Integer, nullable=False, server_default="0"),
        sa.Column("password", sa.String, nullable=False, server_default=""),
        sa.Column("text_source", sa.String(8), nullable=False, server_default=""),
        sa.Column("read_due", sa.Float),
        sa.Column("read_claim_id", sa.String(64)),
        sa.Column("read_tries", sa.Integer, nullable=False, server_default="0"),
    ):
        op.add_column("images", column)
    op.drop_index("ix_images_state", "images")
    op.create_index("ix_images_state", "images", ["state", "kind"])
    op.create_index("ix_images_document", "images", ["document_id", "seq", "state"])
    op.create_index(
        "ix_images_to_read",
        "images",
        [sa.text("(seq - page) DESC"), sa.text("page")],
        sqlite_where=sa.text("read_due IS NOT NULL"),
        postgresql_where=sa.text("read_due IS NOT NULL"),
    )
    op.create_table(
        "texts",
        sa.Column(
            "seq", sa.Integer, sa.ForeignKey("images.seq", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("reader", sa.String(200), nullable=False),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("words", sa.LargeBinary, nullable=False),
        sa.Column("failure", sa.String, nullable=False),
        sa.Column("read_at", sa.Float, nullable=False),
    )
    op.execute(
        sa.text("UPDATE images SET read_due = :now WHERE state = 'indexed'").bindparams(
            now=time.time()
        )
    )


def downgrade() -> None:
    op.drop_table("texts")
    for index in ("ix_images_to_read", "ix_images_document", "ix_images_state"):
        op.drop_index(index, "images")
    op.execute("DELETE FROM images WHERE kind != 'picture'")
    with op.batch_alter_table("images") as images:
        for column in (
            "kind",
            "document_id",
            "page",
            "pages",
            "pages_done",
            "password",
            "text_source",
            "read_due",
            "read_claim_id",
            "read_tries",
        ):
            images.drop_column(column)
    op.create_index("ix_images_state", "images", ["state"])
