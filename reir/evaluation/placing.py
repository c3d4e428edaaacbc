"""Queries among the instances of their own pictures, and a gallery that streams past them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from reir.data.dataset import Query, Target
from reir.evaluation.located import Located
from reir.evaluation.progress import Progress
from reir.evaluation.timing import timed
from reir.metrics import Placement, RankCounter, Truth, place
from reir.protocols import Model
from reir.search import check_blend
from reir.types import FloatArray

if TYPE_CHECKING:
    from reir.store import Snapshot

_ENCODED_AT_ONCE = 64
_ROWS_AT_ONCE = 16_384


def encode_queries(
    model: Model,
    queries: Sequence[Query],
    blend: Mapping[str, float] | None,
    timings: dict[str, float],
    tell: Progress,
) -> FloatArray:
    """The query vectors (Q, D); ``timings`` gets ``load`` and ``encode_per_query``."""
    check_blend(model, blend or {})
    with timed(timings, "load"):
        # The first call loads the text branch, which is no part of the cost of a query.
        model.encode([queries[0].text])
    parts = []
    with timed(timings, "encode"):
        for start in range(0, len(queries), _ENCODED_AT_ONCE):
            texts = [query.text for query in queries[start : start + _ENCODED_AT_ONCE]]
            parts.append(model.encode(texts, blend=blend or {}))
            tell("encoding", min(start + _ENCODED_AT_ONCE, len(queries)), len(queries))
    timings["encode_per_query"] = timings.pop("encode") / len(queries)
    return np.concatenate(parts)


def truth_of(targets: Sequence[Target], located: Located) -> Truth:
    """The true boxes with the pictures that their instances carry."""
    return Truth(
        np.array([located.source_ids[target.file_name] for target in targets], dtype=np.int64),
        np.array([target.box for target in targets], dtype=np.float64),
    )


def place_queries(
    snapshot: Snapshot,
    located: Located,
    pictures: Sequence[Sequence[str]],
    truths: Sequence[Truth],
    vectors: FloatArray,
    ious: Sequence[float],
    tell: Progress,
) -> list[Placement]:
    """Each query among the instances of its own ``pictures``; every picture is read once, whatever the queries' order.

    Args:
        snapshot: the gallery.
        located: where the data set's pictures stand in it.
        pictures: the file names of each query's pictures.
        truths: what each query refers to.
        vectors: (Q, D) query vectors.
        ious: thresholds of the placements.
        tell: told how many are placed.
    """
    placements: dict[int, Placement] = {}
    named = [sorted(set(names)) for names in pictures]
    order = sorted(range(len(named)), key=named.__getitem__)
    for names, members in groupby(order, key=named.__getitem__):
        # Two files with the same content share their instances, which must be counted once.
        owners = {located.source_ids[name]: located.image_ids[name] for name in names}
        blocks = [snapshot.instances_of(image_id) for image_id in owners.values()]
        image_ids = np.concatenate([block.image_ids for block in blocks])
        boxes = np.concatenate([block.boxes for block in blocks])
        inside = np.concatenate([block.vectors for block in blocks])
        for q in members:
            placements[q] = place(vectors[q], truths[q], image_ids, boxes, inside, ious=ious)
        tell("placing", len(placements), len(named))
    return [placements[q] for q in range(len(named))]


def scan(snapshot: Snapshot, counter: RankCounter, tell: Progress) -> None:
    """Every live instance of the gallery is given to ``counter``, block by block."""
    done = 0
    for block in snapshot.blocks(_ROWS_AT_ONCE):
        counter.add(block.image_ids, block.vectors)
        done += len(block)
        tell("scanning", done, snapshot.instance_count)
