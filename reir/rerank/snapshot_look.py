"""A look at what an index holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cachetools import LRUCache

from reir.errors import ImageUnreadableError
from reir.protocols import Model
from reir.rerank.look import Neighbours
from reir.types import FloatArray, Hit, Picture

if TYPE_CHECKING:
    from reir.store import Snapshot

_PICTURES = 16
"""Decoded pictures that are kept: a chain comes back to the same few."""


class SnapshotLook:
    """The ``Look`` of a search over a snapshot.

    Args:
        snapshot: the snapshot that answered.
        model: the model that made its vectors.
        blend: the numbers that mix the parts of the model's score in this search.
    """

    least_side: int
    out_of_time: Callable[[], bool]

    def __init__(self, snapshot: Snapshot, model: Model, blend: Mapping[str, float] | None = None) -> None:
        self.model = model
        self.blend: Mapping[str, float] = {**model.blend, **(blend or {})}
        self.snapshot = snapshot.number
        self.least_side = 0
        self.out_of_time = lambda: False
        self._snapshot = snapshot
        self._root = Path(snapshot.info.root)
        self._pictures: LRUCache[tuple[str, int], Picture] = LRUCache(_PICTURES)

    def picture(self, hit: Hit) -> Picture:
        """The decoded picture of a hit. Raises ImageUnreadableError; see ``Look``."""
        from reir.imaging import decode_picture

        side = max(self.least_side, self.model.decode_side)
        picture = self._pictures.get((hit.path, side))
        if picture is None:
            path = self._root / hit.path
            self._require_unchanged(hit, path)
            picture = decode_picture(path, max_side=side).picture
            self._pictures[hit.path, side] = picture
        return picture

    def vectors(self, hits: Sequence[Hit]) -> FloatArray:
        """The stored vectors of hits, (N, D) float32."""
        return self._snapshot.instances([hit.instance_id for hit in hits]).vectors

    def details(self, instance_ids: Sequence[int]) -> list[dict[str, Any]]:
        """What the index knows of instances beside box and vector."""
        return self._snapshot.details(instance_ids)

    def neighbours(self, hits: Sequence[Hit]) -> list[Neighbours]:
        """For each hit, all instances of its picture."""
        blocks = self._snapshot.instances_beside([hit.instance_id for hit in hits])
        return [Neighbours(block.instance_ids, block.boxes, block.objectness, block.vectors) for block in blocks]

    def _require_unchanged(self, hit: Hit, path: Path) -> None:
        indexed = self._snapshot.images([hit.image_id])[hit.image_id]
        try:
            found = path.stat()
        except OSError as error:
            raise ImageUnreadableError(hit.path, error.strerror or str(error)) from error
        if (found.st_size, found.st_mtime_ns) != (indexed.size, indexed.mtime_ns):
            raise ImageUnreadableError(hit.path, "it has changed since it was indexed")
