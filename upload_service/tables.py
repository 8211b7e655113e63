"""The tables of the catalogue.

`work_due` carries the whole scheduling: the time (seconds since 1970) from which a row may be
claimed, NULL when nothing is to be done. A claim moves it to the end of its lease.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Float, ForeignKey, Index, Integer, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Of all tables."""


class Image(Base):
    """One picture. `seq` grows with every upload and orders the lists."""

    __tablename__ = "images"

    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(36), unique=True)
    sha256: Mapped[str] = mapped_column(String(64))
    blob_key: Mapped[str] = mapped_column(String(80))
    state: Mapped[str] = mapped_column(String(16), index=True)
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

    __table_args__ = (
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
    """An encoder that the catalogue was told of: active, candidate or previous, one of each.

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
