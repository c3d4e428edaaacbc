"""The first schema: pictures versioned by snapshot, segments, shards, tombstones."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY: Any = sa.BigInteger().with_variant(sa.Integer, "sqlite")
NAME: Any = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "index_info",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("uid", sa.String(32), nullable=False),
        sa.Column("root", NAME, nullable=False),
        sa.Column("model_name", sa.Text, nullable=False),
        sa.Column("model_fingerprint", sa.Text, nullable=False),
        sa.Column("model_dimension", sa.Integer, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("next_image_id", sa.BigInteger, nullable=False),
        sa.Column("next_segment", sa.BigInteger, nullable=False),
        sa.Column("next_shard", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "snapshots",
        sa.Column("number", KEY, primary_key=True, autoincrement=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("image_count", sa.BigInteger, nullable=False),
        sa.Column("failed_count", sa.BigInteger, nullable=False),
        sa.Column("instance_count", sa.BigInteger, nullable=False),
        sa.Column("model_fingerprint", sa.Text, nullable=False),
    )
    op.create_table(
        "images",
        sa.Column("version", KEY, primary_key=True, autoincrement=True),
        sa.Column("image_id", sa.BigInteger, nullable=False),
        sa.Column("path", NAME, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        sa.Column("content_hash", sa.String(64)),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("orientation", sa.Integer, nullable=False),
        sa.Column("taken_at", sa.DateTime),
        sa.Column("latitude", sa.Float(53)),
        sa.Column("longitude", sa.Float(53)),
        sa.Column("external_id", NAME),
        sa.Column("status", sa.String(8), nullable=False),
        sa.Column("cause", NAME),
        sa.Column("source_image_id", sa.BigInteger, nullable=False),
        sa.Column("instance_count", sa.Integer, nullable=False),
        sa.Column("valid_from", sa.BigInteger, nullable=False),
        sa.Column("valid_to", sa.BigInteger, nullable=False),
    )
    for name, column in (
        ("images_image_id", "image_id"),
        ("images_path", "path"),
        ("images_source", "source_image_id"),
        ("images_content", "content_hash"),
        ("images_external", "external_id"),
    ):
        op.create_index(name, "images", [column, "valid_to"])
    ended = sa.text(f"valid_to < {2**62}")
    op.create_index("images_ended", "images", ["valid_to"], sqlite_where=ended, postgresql_where=ended)
    op.create_table(
        "segments",
        sa.Column("number", KEY, primary_key=True, autoincrement=False),
        sa.Column("row_count", sa.BigInteger, nullable=False),
        sa.Column("first_source", sa.BigInteger, nullable=False),
        sa.Column("last_source", sa.BigInteger, nullable=False),
        sa.Column("files", sa.Text, nullable=False),
        sa.Column("valid_from", sa.BigInteger, nullable=False),
        sa.Column("valid_to", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "shards",
        sa.Column("number", KEY, primary_key=True, autoincrement=False),
        sa.Column("segments", sa.Text, nullable=False),
        sa.Column("row_count", sa.BigInteger, nullable=False),
        sa.Column("largest_norm", sa.Float(53), nullable=False),
        sa.Column("files", sa.Text, nullable=False),
        sa.Column("valid_from", sa.BigInteger, nullable=False),
        sa.Column("valid_to", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "tombstones",
        sa.Column("segment", KEY, primary_key=True, autoincrement=False),
        sa.Column("source_image_id", KEY, primary_key=True, autoincrement=False),
        sa.Column("row_count", sa.BigInteger, nullable=False),
        sa.Column("dead_from", sa.BigInteger, nullable=False),
    )
