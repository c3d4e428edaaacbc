"""Pictures first, boxes second: text-image retrieval followed by comprehension inside the pictures it found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from reir.data.dataset import Dataset, Query
from reir.errors import UsageError
from reir.evaluation.inside import Question, best_overlaps
from reir.evaluation.located import Located, locate
from reir.evaluation.one_stage import gallery_warnings
from reir.evaluation.placing import encode_queries, place_queries, scan, truth_of
from reir.evaluation.progress import Progress
from reir.evaluation.reranked import looks_at_pixels
from reir.evaluation.system import Answers, Cost, Retriever, SystemFacts, Task
from reir.evaluation.timing import timed
from reir.metrics import RankCounter, Ranks
from reir.protocols import Model
from reir.rerank import StagePlan
from reir.types import FloatArray, IntArray

if TYPE_CHECKING:
    from reir.store import Snapshot


class TwoStage:
    """A `System` of two: a retriever ranks the pictures, a model gives one box in each of the first ``depth``.

    The baselines of the CLARE paper (section 5.3, Table 1). The k-th candidate is the best instance of the k-th
    picture, or nothing where the model found none in it; the place is taken nevertheless. A picture stands where its
    best instance of the retriever's index puts it, so the retriever is a tower that embeds whole pictures
    (``picture-clip``) or any other model. What the model would say of other pictures than the true one cannot make a
    query right, so it is asked about the true one alone; ``Cost`` counts what a search would take.

    Args:
        retriever_snapshot: the gallery, with the retriever's vectors.
        retriever: the model that ranks pictures.
        snapshot: the same gallery, with the model's instances.
        model: the model that gives the boxes.
        depth: in how many pictures a box is sought; None: as many as the largest k.
        stages: stages that look again at the best instances inside a picture.
        blend: numbers that mix the parts of the model's score, in place of its own.

    Raises:
        UsageError: ``depth`` below 1.
    """

    def __init__(
        self,
        retriever_snapshot: Snapshot,
        retriever: Model,
        snapshot: Snapshot,
        model: Model,
        *,
        depth: int | None = None,
        stages: StagePlan | None = None,
        blend: Mapping[str, float] | None = None,
    ) -> None:
        if depth is not None and depth < 1:
            raise UsageError(f"boxes are sought in at least 1 picture, got a depth of {depth}")
        self._retriever_snapshot = retriever_snapshot
        self._retriever = retriever
        self._snapshot = snapshot
        self._model = model
        self._depth = depth
        self._stages = stages if stages is not None else StagePlan()
        self._blend = blend

    @property
    def facts(self) -> SystemFacts:
        """The model that gives the boxes, its gallery, the retriever and the stages."""
        return SystemFacts(
            model=self._model.identity.name,
            fingerprint=self._model.identity.fingerprint,
            snapshot=self._snapshot.number,
            images=self._snapshot.image_count,
            instances=self._snapshot.instance_count,
            stages=self._stages.names,
            retriever=Retriever(
                self._retriever.identity.name,
                self._retriever.identity.fingerprint,
                self._retriever_snapshot.number,
                self._depth,
            ),
        )

    def answer(
        self,
        dataset: Dataset,
        queries: Sequence[Query],
        *,
        task: Task,
        ious: Sequence[float],
        depth: int,
        tell: Progress,
    ) -> Answers:
        """The place of each query's answer; see `System`.

        Raises:
            UsageError: the task has one stage only: the retriever's (``tir``) or the model's (``rec``, ``ris``).
        """
        if task != "reir":
            alone = "the retriever" if task == "tir" else "the model that gives the boxes"
            raise UsageError(f"the task {task} asks {alone} alone: leave the other one out")
        self._snapshot.info.require(self._model.identity)
        self._retriever_snapshot.info.require(self._retriever.identity)
        located, found = locate(self._snapshot, dataset), locate(self._retriever_snapshot, dataset)
        timings: dict[str, float] = {}
        inside, warnings = self._inside(queries, located, timings, tell)
        retrieval: dict[str, float] = {}
        image, right = self._retrieve(queries, found, inside, ious, depth, retrieval, tell)
        timings |= {f"retriever_{name}": value for name, value in retrieval.items()}
        top_iou = np.array([max(boxes.values()) for boxes in inside])
        sought = depth if self._depth is None else self._depth
        ranks = Ranks(
            official=np.where(image < sought, image, depth),
            top_iou=top_iou,
            any=np.where(right < sought, right, depth),
            image=image,
            ious=tuple(ious),
            depth=depth,
        )
        warnings = [*gallery_warnings(self._model, located), *warnings]
        if self._snapshot.image_count != self._retriever_snapshot.image_count:
            warnings.append(
                f"the two galleries differ: the retriever's index holds {self._retriever_snapshot.image_count} "
                f"pictures, the model's {self._snapshot.image_count}"
            )
        return Answers(ranks, self._cost(len(queries), sought), timings, warnings)

    def _inside(
        self, queries: Sequence[Query], located: Located, timings: dict[str, float], tell: Progress
    ) -> tuple[list[dict[str, float]], list[str]]:
        """For each query, the IoU of the model's box by file name of its true pictures, and what should be known."""
        vectors = encode_queries(self._model, queries, self._blend, timings, tell)
        asked = [(q, name) for q, query in enumerate(queries) for name in _pictures(query)]
        truths = [truth_of(query.targets, located) for query in queries]
        overlaps, told = best_overlaps(
            self._snapshot,
            self._model,
            located,
            [Question(queries[q].text, vectors[q], truths[q], name) for q, name in asked],
            stages=self._stages,
            blend=self._blend,
            timings=timings,
            tell=tell,
        )
        inside: list[dict[str, float]] = [{} for _ in queries]
        for (q, name), overlap in zip(asked, overlaps.tolist(), strict=True):
            inside[q][name] = overlap
        return inside, told

    def _retrieve(
        self,
        queries: Sequence[Query],
        found: Located,
        inside: Sequence[Mapping[str, float]],
        ious: Sequence[float],
        depth: int,
        timings: dict[str, float],
        tell: Progress,
    ) -> tuple[IntArray, IntArray]:
        """Ranks by the retriever: (Q,) of the first true picture, and (Q, T) of the first with a right box in it."""
        vectors = encode_queries(self._retriever, queries, None, timings, tell)
        # A query with one true picture stands for itself. One with several is asked once more for each choice of those
        # that hold a right box: a true picture with a wrong box stands in the way as any other does.
        rows: dict[tuple[int, tuple[str, ...]], int] = {}
        whole = [rows.setdefault((q, tuple(boxes)), len(rows)) for q, boxes in enumerate(inside)]
        right = np.full((len(queries), len(ious)), -1)
        for q, boxes in enumerate(inside):
            for i, iou in enumerate(ious):
                names = tuple(name for name, overlap in boxes.items() if overlap > iou)
                if names:
                    right[q, i] = rows.setdefault((q, names), len(rows))
        ranks = self._picture_ranks(queries, found, list(rows), vectors, depth, timings, tell)
        return ranks[whole], np.where(right < 0, depth, ranks[right])

    def _picture_ranks(
        self,
        queries: Sequence[Query],
        found: Located,
        rows: Sequence[tuple[int, tuple[str, ...]]],
        vectors: FloatArray,
        depth: int,
        timings: dict[str, float],
        tell: Progress,
    ) -> IntArray:
        """For each (query, pictures), the number of other pictures that stand before the first of them."""
        asked = vectors[[q for q, _ in rows]]
        truths = [
            truth_of([target for target in queries[q].targets if target.file_name in names], found) for q, names in rows
        ]
        with timed(timings, "place"):
            placements = place_queries(
                self._retriever_snapshot, found, [names for _, names in rows], truths, asked, (), tell
            )
        counter = RankCounter(asked, placements, ious=(), depth=depth)
        with timed(timings, "scan"):
            scan(self._retriever_snapshot, counter, tell)
        timings["scan_per_query"] = timings["scan"] / len(queries)
        return counter.ranks().image

    def _cost(self, queries: int, sought: int) -> Cost:
        models = {
            self._retriever.identity.name: self._retriever_snapshot.image_count,
            self._model.identity.name: self._snapshot.image_count,
        }
        pairs = queries * min(sought, self._retriever_snapshot.image_count)
        return Cost(models, dict.fromkeys(models, queries), dict.fromkeys(looks_at_pixels(self._stages), pairs))


def _pictures(query: Query) -> list[str]:
    return list(dict.fromkeys(target.file_name for target in query.targets))
