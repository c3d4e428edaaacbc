"""Shards: the vectors of one or more segments in one searchable file, derived from the segments' arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reir.protocols import VectorStore
from reir.store.faiss_exact import FaissExactStore
from reir.store.layout import measure, sync
from reir.store.plain_store import PlainStore
from reir.store.segment import FileRecords, Segment
from reir.types import IntArray

SMALL = 1 << 23
"""Numbers (rows x D) up to which an index is searched in numpy: as quick as FAISS there, and spares importing it."""

FAN_IN = 8
SHARD_ROWS = 1 << 18
"""A shard of as many rows is not merged any more."""

_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Shard:
    """A published shard file: which segments it covers, in order."""

    number: int
    segments: tuple[int, ...]
    row_count: int
    largest_norm: float
    files: FileRecords


def instance_ids(segments: Sequence[Segment]) -> IntArray:
    """The ids (N,) of all rows of ``segments``, in order."""
    return np.concatenate(
        [np.empty(0, np.int64), *(np.arange(segment.row_count) + segment.first_id for segment in segments)]
    )


def write_shard(path: Path, segments: Sequence[Segment], dimension: int) -> tuple[FileRecords, float]:
    """Writes the shard of ``segments`` and waits until it is on the disk; its size and hash, and its largest norm."""
    path.parent.mkdir(exist_ok=True)
    store = FaissExactStore(dimension)
    for segment in segments:
        for start in range(0, segment.row_count, _BLOCK):
            vectors = segment.vectors[start : start + _BLOCK]
            store.add(np.arange(start, start + len(vectors)) + segment.first_id, vectors.astype(np.float32))
    fresh = path.with_name(path.name + ".new")
    store.save(fresh)
    sync(fresh)
    fresh.replace(path)
    sync(path.parent)
    return {path.name: measure(path)}, store.largest_norm


def shards_to_merge(row_counts: Sequence[int]) -> int:
    """How many of the last shards the next commit should merge into one, 0 for none.

    Shards are sorted into tiers, each `FAN_IN` times the last; once a tier at the end is full, it becomes one shard of
    the next. So a row is written again at most once a tier, and hundreds of small commits leave a few dozen shards.
    Segments are not merged here: that would change instance ids at every commit; `Index.compact` does it when asked.
    """
    least = 0
    for most in (SHARD_ROWS // FAN_IN**3, SHARD_ROWS // FAN_IN**2, SHARD_ROWS // FAN_IN, SHARD_ROWS):
        large = [place for place, rows in enumerate(row_counts) if rows >= most]
        run = row_counts[large[-1] + 1 if large else 0 :]
        if sum(rows >= least for rows in run) >= FAN_IN:
            return len(run)
        least = most
    return 0


def plain_store(segments: Sequence[Segment], dimension: int) -> VectorStore:
    """The vectors of ``segments`` as a store in memory."""
    store = PlainStore(dimension)
    if segments:
        vectors = np.concatenate([segment.vectors for segment in segments])
        store.add(instance_ids(segments), vectors.astype(np.float32))
    return store


def faiss_store(path: Path, shard: Shard, segments: Sequence[Segment], dimension: int) -> VectorStore:
    """The shard file opened for searching."""
    return FaissExactStore.open(path, instance_ids(segments), dimension, shard.largest_norm)
