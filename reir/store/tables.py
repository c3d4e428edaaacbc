"""The SQL tables. `reir.migrations` makes them; a test holds the two together.

A row is visible in snapshot ``n`` when ``valid_from <= n < valid_to``; ``FOREVER`` marks a row that is still current.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
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
from sqlalchemy.types import TypeDecorator, TypeEngine

REVISION = "0001"
"""The newest revision in ``migrations/versions``: an index at this revision is opened without loading Alembic."""

FOREVER = 2**62

metadata = MetaData()

# The rowid of SQLite must be spelled INTEGER.
Key: TypeEngine[Any] = BigInteger().with_variant(Integer, "sqlite")

# Python spells the bytes of a file name that is not UTF-8 as U+DC80 to U+DCFF, which no database takes. They are kept
# as the last 128 characters of Unicode, which are private and in no name that we know of.
_TO_TABLE = {0xDC80 + byte: 0x10FF80 + byte for byte in range(128)}
_FROM_TABLE = {kept: spelled for spelled, kept in _TO_TABLE.items()}


def stored_name(name: str) -> str:
    """A file name as the tables keep it."""
    return name if name.isascii() else name.translate(_TO_TABLE)


class Name(TypeDecorator[str]):
    """Text that may hold file names of any bytes; compared by code point, whatever the database's locale."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The column type of a database."""
        return Text(collation="C") if dialect.name == "postgresql" else Text()

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """What is sent."""
        return None if value is None else stored_name(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """What is read."""
        return value if value is None or value.isascii() else value.translate(_FROM_TABLE)


index_info = Table(
    "index_info",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uid", String(32), nullable=False),
    Column("root", Name, nullable=False),
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
    Column("model_fingerprint", Text, nullable=False),
)

images = Table(
    "images",
    metadata,
    Column("version", Key, primary_key=True, autoincrement=True),
    Column("image_id", BigInteger, nullable=False),
    Column("path", Name, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("content_hash", String(64)),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("orientation", Integer, nullable=False),
    Column("taken_at", DateTime),
    Column("latitude", Float(53)),
    Column("longitude", Float(53)),
    Column("external_id", Name),
    Column("status", String(8), nullable=False),
    Column("cause", Name),
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

# The migrations make one more index, "images_ended", of the ended rows only: on all rows SQLite would take it for every
# query of the current ones, and read them all. Stated here it would load PostgreSQL's dialect at every start (70 ms).
ENDED = images.c.valid_to < literal_column(str(FOREVER))

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
