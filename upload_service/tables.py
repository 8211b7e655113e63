"""The tables of the catalogue.

`work_due` carries the whole scheduling: the time (seconds since 1970) from which a row may be
claimed, NULL when nothing is to be done. A claim moves it to the end of its lease.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from upload_service.kinds import PICTURE


def _index(name: str, *columns: str, where: str) -> Index:
    """Of those rows only."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


class Base(DeclarativeBase):
    """Of all tables."""


class Image(Base):
    """A picture, a document or a page of one, see kinds.py. `seq` grows with every upload and
    orders the lists.

    A page has the bytes of its document (`sha256`, `blob_key`, `password`) and says so by
    `document_id`. A document's own row is never claimed but to be deleted; its state follows its
    pages, `pages_done` of `pages`. `read_due` is for reading texts what `work_due` is for the rest.
    """

    __tablename__ = "images"

    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(36), unique=True)
    sha256: Mapped[str] = mapped_column(String(64))
    blob_key: Mapped[str] = mapped_column(String(80))
    kind: Mapped[str] = mapped_column(String(8), default=PICTURE)
    state: Mapped[str] = mapped_column(String(16))
    failure: Mapped[str] = mapped_column(String, default="")
    file_name: Mapped[str] = mapped_column(String)
    file_path: Mapped[str] = mapped_column(String, default="")
    media_type: Mapped[str] = mapped_column(String(32))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    tags: Mapped[list[str]] = mapped_column(JSON)
    user_metadata: Mapped[dict[str, Any]] = mapped_column("metadata", JSON)
    exif: Mapped[dict[str, Any]] = mapped_column(JSON)
    uploaded_at: Mapped[float] = mapped_column(Float)
    indexed_at: Mapped[float | None] = mapped_column(Float)
    version: Mapped[int] = mapped_column(Integer, default=1)
    indexed_version: Mapped[int] = mapped_column(Integer, default=0)
    work_due: Mapped[float | None] = mapped_column(Float)
    claim_id: Mapped[str | None] = mapped_column(String(64))
    lost_claims: Mapped[int] = mapped_column(Integer, default=0)
    retries: Mapped[int] = mapped_column(Integer, default=0)
    document_id: Mapped[str | None] = mapped_column(String(36))
    page: Mapped[int] = mapped_column(Integer, default=0)
    pages: Mapped[int] = mapped_column(Integer, default=0)
    pages_done: Mapped[int] = mapped_column(Integer, default=0)
    password: Mapped[str] = mapped_column(String, default="")
    text_source: Mapped[str] = mapped_column(String(8), default="")
    read_due: Mapped[float | None] = mapped_column(Float)
    read_claim_id: Mapped[str | None] = mapped_column(String(64))
    read_tries: Mapped[int] = mapped_column(Integer, default=0)

    __table_args__ = (
        Index("ix_images_state", "state", "kind"),
        # Also for counting and listing what is no page.
        Index("ix_images_document", "document_id", "seq", "state"),
        # The newest upload first, of a document the first page first: see reading.py.
        Index(
            "ix_images_to_read",
            text("(seq - page) DESC"),
            text("page"),
            sqlite_where=text("read_due IS NOT NULL"),
            postgresql_where=text("read_due IS NOT NULL"),
        ),
        Index("ix_images_work_due", "work_due"),
        Index("ix_images_claim_id", "claim_id"),
        {"sqlite_autoincrement": True},
    )


class ImageTag(Base):
    """The tags again, for finding pictures by them."""

    __tablename__ = "image_tags"

    tag: Mapped[str] = mapped_column(String, primary_key=True)
    seq: Mapped[int] = mapped_column(
        ForeignKey("images.seq", ondelete="CASCADE"), primary_key=True, index=True
    )


class Text(Base):
    """What was read in a picture or on a page; `text_source` of its row says by what means.

    `words` is JSON, compressed: see texts.py. `failure` says why nothing could be read.
    """

    __tablename__ = "texts"

    seq: Mapped[int] = mapped_column(ForeignKey("images.seq", ondelete="CASCADE"), primary_key=True)
    reader: Mapped[str] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(String)
    words: Mapped[bytes] = mapped_column(LargeBinary)
    failure: Mapped[str] = mapped_column(String, default="")
    read_at: Mapped[float] = mapped_column(Float)


class DescriptionRow(Base):
    """What a picture or page shows, and whether it waits to be described.

    `content` is as in descriptions.py, NULL while there is none. `due` is NULL when it does not
    wait, else the time from which it may be claimed, or the end of its claim; what was named by its
    id has the first `turn`. `tries` counts lost claims, `retries` what was put off, `refusals` how
    often the server of `failure_model` refused it; `failure` says why that cannot describe it.
    """

    __tablename__ = "descriptions"

    seq: Mapped[int] = mapped_column(ForeignKey("images.seq", ondelete="CASCADE"), primary_key=True)
    content: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    model: Mapped[str] = mapped_column(String(200), default="")
    edited: Mapped[bool] = mapped_column(Boolean, default=False)
    described_at: Mapped[float | None] = mapped_column(Float)
    took_s: Mapped[float] = mapped_column(Float, default=0.0)
    failure: Mapped[str] = mapped_column(String, default="")
    failure_model: Mapped[str] = mapped_column(String(200), default="")
    refusals: Mapped[int] = mapped_column(Integer, default=0)
    turn: Mapped[int] = mapped_column(Integer, default=1)
    due: Mapped[float | None] = mapped_column(Float)
    claim_id: Mapped[str | None] = mapped_column(String(64))
    tries: Mapped[int] = mapped_column(Integer, default=0)
    retries: Mapped[int] = mapped_column(Integer, default=0)

    __table_args__ = (
        _index("ix_descriptions_due", "turn", "due", where="due IS NOT NULL"),
        _index("ix_descriptions_claim_id", "claim_id", where="claim_id IS NOT NULL"),
        _index("ix_descriptions_described_at", "described_at", where="described_at IS NOT NULL"),
        _index("ix_descriptions_edited", "edited", where="edited"),
        _index("ix_descriptions_failure", "seq", where="failure != '' AND due IS NULL"),
    )


class Job(Base):
    """Uploads that are watched together."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    created_at: Mapped[float] = mapped_column(Float)


class JobImage(Base):
    """Which pictures belong to a job; they may be gone from `images` meanwhile."""

    __tablename__ = "job_images"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    image_id: Mapped[str] = mapped_column(String(36), primary_key=True)


class EncoderRow(Base):
    """An encoder that the catalogue was told of: one for each role of encoder_rows.py.

    `cursor` is the `seq` up to which pictures were handed out to be embedded with it. `hold`: do
    not switch to it by itself. `announce`: the index is yet to be told that it is the active one.
    """

    __tablename__ = "encoders"

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    spec: Mapped[dict[str, Any]] = mapped_column(JSON)
    role: Mapped[str] = mapped_column(String(16), unique=True)
    cursor: Mapped[int] = mapped_column(Integer, default=0)
    hold: Mapped[bool] = mapped_column(Boolean, default=False)
    announce: Mapped[bool] = mapped_column(Boolean, default=False)
    started_at: Mapped[float] = mapped_column(Float)


class ImageVector(Base):
    """A picture has a vector of an encoder that is not the active one, or will soon.

    `due` is NULL when it is done (`failure` says when it cannot be), else the time from which it
    may be claimed, or the end of its claim. Of the active encoder, `Image.state` tells.
    """

    __tablename__ = "image_vectors"

    encoder: Mapped[str] = mapped_column(
        ForeignKey("encoders.key", ondelete="CASCADE"), primary_key=True
    )
    seq: Mapped[int] = mapped_column(
        ForeignKey("images.seq", ondelete="CASCADE"), primary_key=True, index=True
    )
    failure: Mapped[str] = mapped_column(String, default="")
    due: Mapped[float | None] = mapped_column(Float, index=True)
    claim_id: Mapped[str | None] = mapped_column(String(64))
    tries: Mapped[int] = mapped_column(Integer, default=0)
