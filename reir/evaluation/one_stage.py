"""A model over its index: every instance of the gallery by one inner product, and stages over the best of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reir.data.dataset import Dataset, Query
from reir.evaluation.inside import BestHits, Question, best_overlaps
from reir.evaluation.located import Located, locate
from reir.evaluation.painted import Answer, Painted, picture_sizes
from reir.evaluation.placing import encode_queries, place_queries, scan, truth_of
from reir.evaluation.progress import Progress
from reir.evaluation.reranked import looks_at_pixels, rerank
from reir.evaluation.system import Answers, Cost, SystemFacts, Task
from reir.evaluation.timing import timed
from reir.metrics import RankCounter, Ranks
from reir.protocols import Model
from reir.rerank import StagePlan
from reir.types import FloatArray

if TYPE_CHECKING:
    from reir.store import Snapshot


class OneStage:
    """A `System` of one model, alone or with stages.

    Args:
        snapshot: the gallery, with the model's instances.
        model: the one that made the index.
        stages: stages that look again at the best instances of each query, over the gallery or, for the tasks ``rec``
            and ``ris``, inside the right picture.
        blend: numbers that mix the parts of the model's score, in place of its own.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        model: Model,
        *,
        stages: StagePlan | None = None,
        blend: Mapping[str, float] | None = None,
    ) -> None:
        self._snapshot = snapshot
        self._model = model
        self._stages = stages if stages is not None else StagePlan()
        self._blend = blend

    @property
    def facts(self) -> SystemFacts:
        """The model, its gallery and the stages."""
        return SystemFacts(
            model=self._model.identity.name,
            fingerprint=self._model.identity.fingerprint,
            snapshot=self._snapshot.number,
            images=self._snapshot.image_count,
            instances=self._snapshot.instance_count,
            stages=self._stages.names,
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
        """The place of each query's answer; see `System`."""
        self._snapshot.info.require(self._model.identity)
        located = locate(self._snapshot, dataset)
        timings: dict[str, float] = {}
        vectors = encode_queries(self._model, queries, self._blend, timings, tell)
        if task == "ris":
            return self._masks(dataset, queries, located, vectors, ious, depth, timings, tell)
        measure = self._inside if task == "rec" else self._over_the_gallery
        return measure(queries, located, vectors, ious, depth, timings, tell)

    def _over_the_gallery(
        self,
        queries: Sequence[Query],
        located: Located,
        vectors: FloatArray,
        ious: Sequence[float],
        depth: int,
        timings: dict[str, float],
        tell: Progress,
    ) -> Answers:
        truths = [truth_of(query.targets, located) for query in queries]
        pictures = [[target.file_name for target in query.targets] for query in queries]
        with timed(timings, "place"):
            placements = place_queries(self._snapshot, located, pictures, truths, vectors, ious, tell)
        counter = RankCounter(vectors, placements, ious=ious, depth=depth)
        with timed(timings, "scan"):
            scan(self._snapshot, counter, tell)
        timings["scan_per_query"] = timings["scan"] / len(queries)
        ranks, warnings = counter.ranks(), gallery_warnings(self._model, located)
        pairs: dict[str, int] = {}
        if not self._stages.empty:
            again = rerank(
                self._snapshot,
                self._model,
                [query.text for query in queries],
                truths,
                ranks,
                self._stages,
                blend=self._blend,
                progress=tell,
            )
            ranks = again.ranks
            timings |= {f"{name}_per_query": milliseconds for name, milliseconds in again.timings_ms.items()}
            warnings += again.warnings
            pairs = dict.fromkeys(looks_at_pixels(self._stages), again.pairs)
        name = self._model.identity.name
        cost = Cost({name: self._snapshot.image_count}, {name: len(queries)}, pairs)
        return Answers(ranks, cost, timings, warnings)

    def _inside(
        self,
        queries: Sequence[Query],
        located: Located,
        vectors: FloatArray,
        ious: Sequence[float],
        depth: int,
        timings: dict[str, float],
        tell: Progress,
    ) -> Answers:
        """Inside the right pictures only: the rest of the gallery is not looked at."""
        overlaps, told = best_overlaps(
            self._snapshot,
            self._model,
            located,
            _questions(queries, located, vectors),
            stages=self._stages,
            blend=self._blend,
            timings=timings,
            tell=tell,
        )
        notices = [self._model.notice] if self._model.notice else []
        ranks = inside_ranks(overlaps, ious, depth)
        return Answers(ranks, self._inside_cost(queries, located), timings, [*notices, *told])

    def _masks(
        self,
        dataset: Dataset,
        queries: Sequence[Query],
        located: Located,
        vectors: FloatArray,
        ious: Sequence[float],
        depth: int,
        timings: dict[str, float],
        tell: Progress,
    ) -> Answers:
        """Masks inside the right pictures."""
        painted, sizes = Painted(queries), picture_sizes(dataset)
        best = BestHits(self._snapshot, self._model, located, self._stages, self._blend)
        questions = _questions(queries, located, vectors)
        with timed(timings, "place"):
            for q, hits in enumerate(best.of(questions, timings, tell)):
                painted.put(q, [Answer.of(hit.box, hit.mask, *sizes[queries[q].file_name]) for hit in hits])
        notices = [self._model.notice] if self._model.notice else []
        return Answers(
            inside_ranks(painted.ious, ious, depth),
            self._inside_cost(queries, located),
            timings,
            [*notices, *best.warnings, *painted.warnings()],
            painted,
        )

    def _inside_cost(self, queries: Sequence[Query], located: Located) -> Cost:
        name = self._model.identity.name
        pictures = {located.source_ids[query.file_name] for query in queries}
        pairs = dict.fromkeys(looks_at_pixels(self._stages), len(queries))
        return Cost({name: len(pictures)}, {name: len(queries)}, pairs)


def inside_ranks(overlaps: npt.NDArray[np.float64], ious: Sequence[float], depth: int) -> Ranks:
    """Ranks that tell the overlap (Q,) inside the right picture alone."""
    last = np.full(len(overlaps), depth, dtype=np.int64)
    return Ranks(last, overlaps, np.tile(last[:, None], len(ious)), last, tuple(ious), depth)


def _questions(queries: Sequence[Query], located: Located, vectors: FloatArray) -> list[Question]:
    return [
        Question(query.text, vector, truth_of(query.targets, located), query.file_name)
        for query, vector in zip(queries, vectors, strict=True)
    ]


def gallery_warnings(model: Model, located: Located) -> list[str]:
    """What should be known of a model, and of a gallery that holds more than the data set."""
    warnings = [model.notice] if model.notice else []
    if located.others:
        warnings.append(f"pictures of the index that are not in the data set, and count as gallery: {located.others}")
    return warnings
