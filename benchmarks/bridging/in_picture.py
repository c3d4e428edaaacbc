"""Referring expression comprehension with a reir model: the best box of the picture that an expression belongs to.

No index is needed: the candidates are what the model extracts from the picture, scored by its own inner products, and
the stages that follow are reir's own.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reir.data import Dataset, Query
from reir.geometry import iou_matrix
from reir.imaging import decode_picture
from reir.protocols import Model
from reir.rerank import PictureLook, Stage, run_stage
from reir.types import FloatArray, Hit, Instances

EXTRACTED_TOGETHER = 16
UNLIMITED = 1e9
"""Seconds: no stage of a benchmark is cut off."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """The instances of one picture, and the picture's file."""

    path: Path
    width: int
    height: int
    instances: Instances

    def look(self, model: Model, blend: Mapping[str, float]) -> PictureLook:
        """What a stage may ask of them."""
        return PictureLook(lambda side: decode_picture(self.path, max_side=side).picture, self.instances, model, blend)


def extract_all(model: Model, dataset: Dataset) -> tuple[dict[str, Candidates], float]:
    """The candidates of each picture by its file name, and the seconds that a picture took, decoding included."""
    found: dict[str, Candidates] = {}
    started = time.perf_counter()
    for start in range(0, len(dataset.images), EXTRACTED_TOGETHER):
        images = dataset.images[start : start + EXTRACTED_TOGETHER]
        paths = [dataset.images_root / image.file_name for image in images]
        pictures = [decode_picture(path, max_side=model.decode_side).picture for path in paths]
        for image, path, instances in zip(images, paths, model.extract(pictures), strict=True):
            found[image.file_name] = Candidates(path, image.width, image.height, instances)
        print(f"\r{len(found)} of {len(dataset.images)} pictures", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found, (time.perf_counter() - started) / len(found)


def candidate_ious(candidates: Mapping[str, Candidates], queries: Sequence[Query]) -> npt.NDArray[np.float64]:
    """The best IoU (Q,) that any candidate of its picture has with the truth of each query: a matcher's limit."""
    return np.array(
        [iou_matrix(candidates[query.file_name].instances.boxes, [query.box]).max(initial=0.0) for query in queries]
    )


def answered_ious(
    model: Model,
    candidates: Mapping[str, Candidates],
    queries: Sequence[Query],
    *,
    blend: Mapping[str, float] | None = None,
    rerank: Stage | None = None,
    refine: Stage | None = None,
) -> npt.NDArray[np.float64]:
    """The IoU (Q,) of each query's answer with its truth; 0 where its picture has no candidate.

    The answer is the candidate with the best inner product; ``rerank`` gives all candidates another score first, and
    ``refine`` then moves the box of the best one.
    """
    blend = blend or {}
    vectors = model.encode([query.text for query in queries], blend=blend or None)
    ious = np.zeros(len(queries))
    for i, (query, vector) in enumerate(zip(queries, vectors, strict=True)):
        of_picture = candidates[query.file_name]
        hits = ranked_hits(of_picture, of_picture.instances.vectors @ vector)
        look = of_picture.look(model, blend)
        if rerank is not None and hits:
            hits = list(run_stage(rerank, query.text, hits, look, seconds=UNLIMITED).hits)
        if refine is not None and hits:
            hits = list(run_stage(refine, query.text, hits[:1], look, seconds=UNLIMITED).hits)
        if hits:
            ious[i] = float(iou_matrix([hits[0].box], [query.box])[0, 0])
        if i % 100 == 99:
            print(f"\r{i + 1} of {len(queries)} queries", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return ious


def stage_scores(
    model: Model, candidates: Mapping[str, Candidates], queries: Sequence[Query], stage: Stage
) -> list[FloatArray]:
    """The scores (N,) that a rerank stage gives the candidates of each query's picture, with λ = τ = 1."""
    alone = {"lambda": 1.0, "tau": 1.0}
    scores = []
    for query in queries:
        of_picture = candidates[query.file_name]
        hits = ranked_hits(of_picture, np.zeros(len(of_picture.instances), dtype=np.float32))
        look = of_picture.look(model, alone)
        changed = stage.look(query.text, hits, look) if hits else []
        scores.append(np.array([hit.score for hit in changed], dtype=np.float32))
    return scores


def ranked_hits(candidates: Candidates, scores: npt.NDArray[Any]) -> list[Hit]:
    """The candidates as hits, best score first; equal scores in the order of their objectness."""
    instances = candidates.instances
    hits = []
    for rank, row in enumerate(np.argsort(-scores, kind="stable").tolist(), start=1):
        x0, y0, x1, y1 = instances.boxes[row].tolist()
        hits.append(
            Hit(
                rank=rank,
                score=float(scores[row]),
                image_id=0,
                path=candidates.path.name,
                width=candidates.width,
                height=candidates.height,
                box=(x0, y0, x1, y1),
                objectness=float(instances.objectness[row]),
                instance_id=row,
            )
        )
    return hits


def first_queries(dataset: Dataset, pictures: int | None) -> Dataset:
    """The data set with its first pictures alone, or as it is."""
    if pictures is None:
        return dataset
    images = dataset.images[:pictures]
    names = {image.file_name for image in images}
    return replace(dataset, images=images, queries=[query for query in dataset.queries if query.file_name in names])
