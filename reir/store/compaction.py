"""Rewriting segments without what was removed, several small ones as one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reir.store.manifest import Manifest
from reir.store.publication import Publication
from reir.store.records import Columns
from reir.store.segment import Segment, grouped, verified_columns
from reir.types import IntArray

SEGMENT_NUMBERS = 1 << 27
"""Numbers (rows x D) that a compacted segment holds at most: it passes through memory as a whole."""


def compact(publication: Publication, manifest: Manifest) -> int:
    """The number of the snapshot in which no segment holds removed rows and neighbours are merged.

    The snapshot stays the same when that is so already. Instance ids change; the new segments note the old ones, so
    that ids given out before stay good until the next compaction.
    """
    limit = max(1, SEGMENT_NUMBERS // publication.info.model.dimension)
    for group in _groups(manifest, limit):
        parts = [_alive(segment, manifest.dead.get(segment.number)) for segment in group]
        columns = Columns.concatenate(parts)
        publication.retire_segments(segment.number for segment in group)
        if len(columns):
            publication.add_segment(columns)
    return publication.publish()


def _groups(manifest: Manifest, limit: int) -> list[list[Segment]]:
    """Neighbours, by source image id, that are to become one segment; a whole segment that would stay alone is left."""
    ordered = sorted(manifest.segments, key=lambda segment: segment.first_source)
    return [group for group in grouped(ordered, limit) if len(group) > 1 or group[0].number in manifest.dead]


def _alive(segment: Segment, dead: IntArray | None) -> Columns:
    columns = replace(verified_columns(segment), old_ids=np.arange(segment.row_count) + segment.first_id)
    return columns if dead is None else columns.take(np.flatnonzero(~np.isin(columns.image_ids, dead)))
