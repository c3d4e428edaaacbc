"""Small galleries with random instances, for the tests of the store."""

from __future__ import annotations

from typing import Any

import numpy as np

from reir.store import FileFacts, Snapshot
from reir.types import Instances, IntArray, ModelIdentity

MODEL = ModelIdentity("test", "fingerprint-1", 6)


def facts(path: str, content: str | None = None, **more: Any) -> FileFacts:
    """A file whose content hash is ``content``, by default its path."""
    return FileFacts(path, **{"size": 10, "mtime_ns": 1000, "content_hash": content or path, **more})


def some_instances(count: int, seed: int = 0, dimension: int = MODEL.dimension) -> Instances:
    """``count`` random instances with unit vectors that float16 holds exactly."""
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((count, dimension))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)
    boxes = random.uniform(0, 500, (count, 4)).astype(np.float32)
    return Instances(boxes, np.sort(random.random(count).astype(np.float32))[::-1].copy(), vectors)


def contents(snapshot: Snapshot) -> dict[str, tuple[str, list[Any]]]:
    """Path -> status and vectors of every live picture: what a snapshot says, read the plain way."""
    return {
        row.path: (row.status, snapshot.instances_of(row.image_id).vectors.tolist()) for row in snapshot.all_images()
    }


def everything(snapshot: Snapshot) -> tuple[IntArray, np.ndarray, IntArray]:
    """Ids, vectors and source image ids of all live instances."""
    blocks = list(snapshot.blocks(rows=7))
    if not blocks:
        return np.empty(0, np.int64), np.empty((0, snapshot.model.dimension), np.float32), np.empty(0, np.int64)
    return (
        np.concatenate([block.instance_ids for block in blocks]),
        np.concatenate([block.vectors for block in blocks]),
        np.concatenate([block.image_ids for block in blocks]),
    )
