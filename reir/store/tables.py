"""The SQL tables. `reir.migrations` makes them; a test holds the two together.

A row is visible in snapshot ``n`` when ``valid_from <= n < valid_to``; ``FOREVER`` marks a row that is still current.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    literal_column,
)
from sqlalchemy.sql import ColumnElement
from sqlalchemy.types import TypeEngine

REVISION = "0001"
"""The newest revision in ``migrations/versions``: an index at this revision is opened without loading Alembic."""

FOREVER = 2**62

metadata = MetaData()

# The rowid of SQLite must be spelled INTEGER. Paths compare by code point everywhere, whatever the database's locale.
Key: TypeEngine[Any] = BigInteger().with_variant(Integer, "sqlite")
PathText: TypeEngine[Any] = Text().with_variant(Text(collation="C"), "postgresql")

index_info = Table(
    "index_info",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uid", String(32), nullable=False),
    Column("root", Text, nullable=False),
    Column("model_name", Text, nullable=False),
    Column("model_fingerprint", Text, nullable=False),
    Column("model_dimension", Integer, nullable=False),
    Column("settings", Text, nullable=False),
    Column("created_at", DateTime, nullable=False),
    Column("next_image_id", BigInteger, nullable=False),
    Column("next_segment", BigInteger, nullable=False),
    Column("next_shard", BigInteger, nullable=False),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("number", Key, primary_key=True, autoincrement=False),
    Column("created_at", DateTime, nullable=False),
    Column("image_count", BigInteger, nullable=False),
    Column("failed_count", BigInteger, nullable=False),
    Column("instance_count", BigInteger, nullable=False),
)

images = Table(
    "images",
    metadata,
    Column("version", Key, primary_key=True, autoincrement=True),
    Column("image_id", BigInteger, nullable=False),
    Column("path", PathText, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("content_hash", String(64)),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("orientation", Integer, nullable=False),
    Column("taken_at", DateTime),
    Column("latitude", Float(53)),
    Column("longitude", Float(53)),
    Column("external_id", Text),
    Column("status", String(8), nullable=False),
    Column("cause", Text),
    Column("source_image_id", BigInteger, nullable=False),
    Column("instance_count", Integer, nullable=False),
    Column("valid_from", BigInteger, nullable=False),
    Column("valid_to", BigInteger, nullable=False),
    Index("images_image_id", "image_id", "valid_to"),
    Index("images_path", "path", "valid_to"),
    Index("images_source", "source_image_id", "valid_to"),
    Index("images_content", "content_hash", "valid_to"),
    Index("images_external", "external_id", "valid_to"),
)

# Only ended rows: on all rows SQLite would take it for every query of the current ones, and read them all.
ENDED = images.c.valid_to < literal_column(str(FOREVER))
Index("images_ended", images.c.valid_to, sqlite_where=ENDED, postgresql_where=ENDED)

segments = Table(
    "segments",
    metadata,
    Column("number", Key, primary_key=True, autoincrement=False),
    Column("row_count", BigInteger, nullable=False),
    Column("first_source", BigInteger, nullable=False),
    Column("last_source", BigInteger, nullable=False),
    Column("files", Text, nullable=False),
    Column("valid_from", BigInteger, nullable=False),
    Column("valid_to", BigInteger, nullable=False),
)

shards = Table(
    "shards",
    metadata,
    Column("number", Key, primary_key=True, autoincrement=False),
    Column("segments", Text, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("largest_norm", Float(53), nullable=False),
    Column("files", Text, nullable=False),
    Column("valid_from", BigInteger, nullable=False),
    Column("valid_to", BigInteger, nullable=False),
)

tombstones = Table(
    "tombstones",
    metadata,
    Column("segment", Key, primary_key=True, autoincrement=False),
    Column("source_image_id", Key, primary_key=True, autoincrement=False),
    Column("row_count", BigInteger, nullable=False),
    Column("dead_from", BigInteger, nullable=False),
)


def visible(table: Table, snapshot: int) -> ColumnElement[bool]:
    """The condition that a row of ``table`` belongs to ``snapshot``."""
    return (table.c.valid_from <= snapshot) & (table.c.valid_to > snapshot)
