"""Rewriting segments without what was removed, several small ones as one."""

from __future__ import annotations

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
        columns = Columns(
            np.concatenate([part.image_ids for part in parts]),
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.objectness for part in parts]),
            np.concatenate([part.vectors for part in parts]),
            np.concatenate([part.old_ids for part in parts if part.old_ids is not None]),
        )
        publication.retire_segments(segment.number for segment in group)
        if len(columns):
            publication.add_segment(columns)
    return publication.publish()


def _groups(manifest: Manifest, limit: int) -> list[list[Segment]]:
    """Neighbours, by source image id, that are to become one segment; a whole segment that would stay alone is left."""
    ordered = sorted(manifest.segments, key=lambda segment: segment.first_source)
    return [group for group in grouped(ordered, limit) if len(group) > 1 or group[0].number in manifest.dead]


def _alive(segment: Segment, dead: IntArray | None) -> Columns:
    columns = verified_columns(segment)
    ids = np.arange(len(columns)) + segment.first_id
    keep: IntArray | slice = slice(None) if dead is None else np.flatnonzero(~np.isin(columns.image_ids, dead))
    return Columns(
        columns.image_ids[keep], columns.boxes[keep], columns.objectness[keep], columns.vectors[keep], ids[keep]
    )
