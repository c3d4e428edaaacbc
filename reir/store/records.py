"""What the store gives and takes: rows of pictures, rows of instances, filters, findings."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from reir.errors import ModelMismatchError
from reir.store.details import Details
from reir.types import Array, FloatArray, IntArray, ModelIdentity

Status = Literal["indexed", "failed", "deleted"]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What the indexer knows of a file. ``path`` is posix, relative to the gallery root; sizes are upright."""

    path: str
    size: int
    mtime_ns: int
    content_hash: str | None = None
    width: int = 0
    height: int = 0
    orientation: int = 1
    taken_at: datetime | None = None
    latitude: float | None = None
    longitude: float | None = None
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One picture as of a snapshot.

    ``source_image_id`` names the extraction that the picture's instances come from. It is the picture's own id, unless
    the picture shares the content of another, or has changed since it was first indexed; ask `Snapshot.resolve`
    for the pictures behind it. ``segment`` is None when the picture has no instances.
    """

    image_id: int
    path: str
    size: int
    mtime_ns: int
    content_hash: str | None
    width: int
    height: int
    orientation: int
    taken_at: datetime | None
    latitude: float | None
    longitude: float | None
    external_id: str | None
    status: Status
    cause: str | None
    source_image_id: int
    segment: int | None
    instance_count: int


class KnownFile(NamedTuple):
    """What the index last saw of a live file: enough to decide whether to read it again."""

    image_id: int
    size: int
    mtime_ns: int
    content_hash: str | None
    status: Status
    external_id: str | None


@dataclass(frozen=True)
class ImageFilter:
    """Which pictures may answer: all given conditions hold.

    ``after <= taken_at < before`` by the wall clock of the camera; a picture without a date matches neither.
    """

    path_prefix: str | None = None
    after: datetime | None = None
    before: datetime | None = None
    image_ids: Sequence[int] | None = None
    external_ids: Sequence[str] | None = None

    @property
    def lists_ids_only(self) -> bool:
        """Whether a list of image ids is the only condition that there may be."""
        return self.external_ids is None and not (self.path_prefix or self.after or self.before)

    @property
    def lets_all_through(self) -> bool:
        """Whether there is no condition."""
        return self.image_ids is None and self.lists_ids_only

    @cached_property
    def digest(self) -> bytes:
        """Eight bytes that tell filters apart; id lists in any order. Worked out once: they may be long."""
        image_ids = None if self.image_ids is None else sorted(set(self.image_ids))
        external_ids = None if self.external_ids is None else sorted(set(self.external_ids))
        conditions = (self.path_prefix, self.after, self.before, image_ids, external_ids)
        return hashlib.blake2b(repr(conditions).encode(), digest_size=8).digest()


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """Whose index this is: the gallery root, the model and the settings that made it."""

    db: Path
    uid: str
    root: Path
    model: ModelIdentity
    settings: Mapping[str, Any]
    created_at: datetime

    def require(self, model: ModelIdentity) -> None:
        """Returns when the index was made by ``model``; otherwise raises ModelMismatchError, which names both."""
        if model != self.model:
            made_by = self.model
            raise ModelMismatchError(
                self.db, self.root, made_by.name, made_by.fingerprint, model.name, model.fingerprint
            )


@dataclass(frozen=True, slots=True)
class InstanceRows:
    """Instances as asked for: source image ids (N,), boxes (N, 4), objectness (N,), vectors (N, D) float32."""

    image_ids: IntArray
    boxes: FloatArray
    objectness: FloatArray
    vectors: FloatArray

    def __len__(self) -> int:
        return len(self.image_ids)


@dataclass(frozen=True, slots=True)
class Ranking:
    """The best instances for Q queries: scores (Q, k) float32 and instance ids (Q, k); -inf and -1 where there is none.

    ``searched`` is the number of live instances that they were found among.
    """

    scores: FloatArray
    ids: IntArray
    searched: int


@dataclass(frozen=True, slots=True)
class InstanceBlock:
    """Live instances with their ids, ascending: as `InstanceRows`, vectors float32."""

    instance_ids: IntArray
    image_ids: IntArray
    boxes: FloatArray
    objectness: FloatArray
    vectors: FloatArray

    def __len__(self) -> int:
        return len(self.instance_ids)

    def part(self, start: int, end: int) -> InstanceBlock:
        """The instances from place ``start`` to before ``end``."""
        rows = slice(start, end)
        return InstanceBlock(
            self.instance_ids[rows], self.image_ids[rows], self.boxes[rows], self.objectness[rows], self.vectors[rows]
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `Index.check` found wrong: how bad, what, in which file, and how it is mended."""

    severity: Literal["error", "warning", "note"]
    what: str
    path: str
    mend: str


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a segment, row by row: what its Parquet file and its arrays hold."""

    image_ids: IntArray
    boxes: FloatArray
    objectness: FloatArray
    vectors: Array
    """(N, D) float16."""
    old_ids: IntArray | None = None
    """Instance ids before the compaction that made the segment; None for a segment that was indexed."""
    details: Details | None = None
    """None where no instance has any."""

    def __len__(self) -> int:
        return len(self.image_ids)

    @classmethod
    def concatenate(cls, parts: Sequence[Columns]) -> Columns:
        """The rows of all parts, in their order. Former ids must be known of all parts or of none."""
        old_ids = [part.old_ids for part in parts if part.old_ids is not None]
        details = None
        if any(part.details is not None for part in parts):
            details = Details.concatenate([part.details or Details.none(len(part)) for part in parts])
        return cls(
            np.concatenate([part.image_ids for part in parts]),
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.objectness for part in parts]),
            np.concatenate([part.vectors for part in parts]),
            np.concatenate(old_ids) if old_ids else None,
            details,
        )

    def take(self, rows: IntArray) -> Columns:
        """The rows with these numbers, in their order."""
        return Columns(
            self.image_ids[rows],
            self.boxes[rows],
            self.objectness[rows],
            self.vectors[rows],
            None if self.old_ids is None else self.old_ids[rows],
            None if self.details is None else self.details.take(rows),
        )
