"""What a snapshot consists of, as the SQL tables say it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, select

from reir.errors import IndexDamagedError
from reir.store.layout import Layout, start_anew
from reir.store.records import IndexInfo
from reir.store.segment import FileRecords, Segment
from reir.store.shard import Shard
from reir.store.tables import index_info, segments, shards, snapshots, tombstones, visible
from reir.types import IntArray, ModelIdentity


@dataclass(frozen=True, slots=True)
class Manifest:
    """The segments, shards and dead sources of one snapshot, and its counts."""

    number: int
    image_count: int
    failed_count: int
    instance_count: int
    model_fingerprint: str
    segments: tuple[Segment, ...]
    shards: tuple[Shard, ...]
    dead: dict[int, IntArray]
    """Segment number -> its dead source image ids, ascending."""


def read_info(connection: Connection, db: Path) -> IndexInfo:
    """Whose index the tables belong to; ``db`` is its folder. Raises IndexDamagedError when they do not say."""
    row = connection.execute(select(index_info)).first()
    if row is None:
        raise IndexDamagedError(db, "its tables are empty", start_anew(db))
    return IndexInfo(
        db,
        row.uid,
        (db / row.root).resolve(),
        ModelIdentity(row.model_name, row.model_fingerprint, row.model_dimension),
        json.loads(row.settings),
        row.created_at,
    )


# Asked before every search, so it is not put together each time.
_LATEST = select(snapshots.c.number).order_by(snapshots.c.number.desc()).limit(1)


def latest_snapshot(connection: Connection) -> int:
    """The number of the newest snapshot."""
    return int(connection.execute(_LATEST).scalar_one())


def read_manifest(connection: Connection, number: int, layout: Layout, dimension: int) -> Manifest | None:
    """The manifest of a snapshot, None when it is no longer kept."""
    row = connection.execute(select(snapshots).where(snapshots.c.number == number)).first()
    if row is None:
        return None
    dead: dict[int, list[int]] = {}
    query = select(tombstones.c.segment, tombstones.c.source_image_id)
    for segment, source in connection.execute(query.where(tombstones.c.dead_from <= number)):
        dead.setdefault(segment, []).append(source)
    return Manifest(
        row.number,
        row.image_count,
        row.failed_count,
        row.instance_count,
        row.model_fingerprint,
        tuple(read_segments(connection, number, layout, dimension)),
        tuple(read_shards(connection, number)),
        {segment: np.sort(np.array(sources, np.int64)) for segment, sources in dead.items()},
    )


def read_segments(connection: Connection, number: int, layout: Layout, dimension: int) -> list[Segment]:
    """The segments of a snapshot, ascending."""
    rows = connection.execute(select(segments).where(visible(segments, number)).order_by(segments.c.number))
    return [segment_of(row, layout, dimension) for row in rows]


def segment_of(row: Row[Any], layout: Layout, dimension: int) -> Segment:
    """The segment that a row of the table describes."""
    return Segment(
        row.number,
        row.row_count,
        row.first_source,
        row.last_source,
        decode_files(row.files),
        layout.segment(row.number),
        dimension,
    )


def read_shards(connection: Connection, number: int) -> list[Shard]:
    """The shards of a snapshot, in the order of their segments."""
    rows = connection.execute(select(shards).where(visible(shards, number)).order_by(shards.c.number))
    found = [shard_of(row) for row in rows]
    return sorted(found, key=lambda shard: shard.segments)


def shard_of(row: Row[Any]) -> Shard:
    """The shard that a row of the table describes."""
    return Shard(row.number, tuple(json.loads(row.segments)), row.row_count, row.largest_norm, decode_files(row.files))


def encode_files(files: FileRecords) -> str:
    """File records as the tables keep them."""
    return json.dumps(files, sort_keys=True)


def decode_files(text: str) -> FileRecords:
    """File records from the tables."""
    return {name: (size, digest) for name, (size, digest) in json.loads(text).items()}


def encode_numbers(numbers: Sequence[int]) -> str:
    """Segment numbers as the tables keep them."""
    return json.dumps(list(numbers))
