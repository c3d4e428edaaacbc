"""The box that a method gives for an expression in one picture: referring expression comprehension."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reir.errors import ReirError
from reir.evaluation.located import Located
from reir.evaluation.placing import place_queries
from reir.evaluation.progress import Progress
from reir.evaluation.reranked import hit_keys
from reir.evaluation.timing import timed
from reir.metrics import Truth
from reir.protocols import Model
from reir.rerank import SnapshotLook, StagePlan
from reir.search import Searcher, SearchRequest
from reir.types import FloatArray, Hit

if TYPE_CHECKING:
    from reir.store import Snapshot


@dataclass(frozen=True, slots=True)
class Question:
    """An expression put to one picture: its text, its vector (D,), what it refers to, and the picture's file name."""

    text: str
    vector: FloatArray
    truth: Truth
    file_name: str


def best_overlaps(
    snapshot: Snapshot,
    model: Model,
    located: Located,
    questions: Sequence[Question],
    *,
    stages: StagePlan | None,
    blend: Mapping[str, float] | None,
    timings: dict[str, float],
    tell: Progress,
) -> tuple[npt.NDArray[np.float64], list[str]]:
    """IoU (P,) of the best instance of each question's picture with the truth in it, and what should be known.

    Of several best ones the worst box counts; a picture without instances has IoU 0. With ``stages``, the best is that
    of their order, with the box that they gave it. ``timings`` gets ``place``, and each stage's a question.
    """
    with timed(timings, "place"):
        if stages is None or stages.empty:
            return _by_score(snapshot, located, questions, tell), []
        return _by_stages(snapshot, model, located, questions, stages, blend, timings, tell)


def _by_score(
    snapshot: Snapshot, located: Located, questions: Sequence[Question], tell: Progress
) -> npt.NDArray[np.float64]:
    if not questions:
        return np.zeros(0)
    placements = place_queries(
        snapshot,
        located,
        [[question.file_name] for question in questions],
        [question.truth for question in questions],
        np.stack([question.vector for question in questions]),
        (),
        tell,
    )
    return np.array([placement.best_iou for placement in placements])


def _by_stages(
    snapshot: Snapshot,
    model: Model,
    located: Located,
    questions: Sequence[Question],
    plan: StagePlan,
    blend: Mapping[str, float] | None,
    timings: dict[str, float],
    tell: Progress,
) -> tuple[npt.NDArray[np.float64], list[str]]:
    best = BestHits(snapshot, model, located, plan, blend)
    found = np.zeros(len(questions))
    for number, (question, hits) in enumerate(zip(questions, best.of(questions, timings, tell), strict=True)):
        if hits:
            own = np.full(len(hits), located.source_ids[question.file_name])
            found[number] = question.truth.overlaps(own, np.array([hit.box for hit in hits])).min()
    return found, best.warnings


class BestHits:
    """The best instance of a picture for an expression, after stages.

    All instances of the picture stand in the order of the rerank stages; the stages that better boxes or find masks
    look at the best alone, or at several where they share the best score.

    Args:
        snapshot: the gallery.
        model: the one that made its index.
        located: where the data set's pictures stand in it.
        plan: the stages.
        blend: numbers that mix the parts of the model's score, in place of its own.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        model: Model,
        located: Located,
        plan: StagePlan,
        blend: Mapping[str, float] | None,
    ) -> None:
        self._searcher = Searcher(snapshot, model)
        self._look = SnapshotLook(snapshot, model, blend)
        self._model = model
        self._located = located
        self._plan = plan
        self._blend = blend
        self._asked = self._stopped = 0

    @property
    def warnings(self) -> list[str]:
        """What should be known of the questions that were answered so far."""
        told = f"stages did not see all hits of {self._stopped} of {self._asked} expressions"
        return [told] if self._stopped else []

    def of(self, questions: Sequence[Question], timings: dict[str, float], tell: Progress) -> Iterator[Sequence[Hit]]:
        """The best hit of each question's picture, several where they score alike, none in a picture without instances.

        ``timings`` gets each stage's milliseconds a question.

        Raises:
            UsageError: a stage that cannot look at this index.
        """
        for number, question in enumerate(questions):
            hits, took, warnings = self._answer(question)
            self._asked += 1
            self._stopped += bool(warnings)
            for name, milliseconds in took.items():
                key = f"{name}_per_query"
                timings[key] = timings.get(key, 0.0) + milliseconds / len(questions)
            yield hits
            tell("looking again", number + 1, len(questions))

    def _answer(self, question: Question) -> tuple[Sequence[Hit], Mapping[str, float], Sequence[str]]:
        from reir.store import ImageFilter

        plan, second_look = self._plan, self._searcher.second_look
        second_look.check(plan, question.text)
        where = ImageFilter(image_ids=(self._located.image_ids[question.file_name],))
        ranked = replace(plan, refine=None, mask=None)
        (answer,) = self._searcher.search_many(
            [SearchRequest(question.text, top=plan.top, flat=True, where=where, stages=ranked, blend=self._blend)]
        )
        if isinstance(answer, ReirError):
            raise answer
        names = {name.partition(":")[0] for name in ranked.names}
        timings = {name: answer.timings_ms[name] for name in names & set(answer.timings_ms)}
        told = sorted(set(answer.warnings) - {self._model.notice, *self._model.text_warnings(question.text)})
        if not answer.hits:
            return (), timings, told
        keys = hit_keys(answer.hits, plan)
        best = [answer.hits[n] for n in np.flatnonzero(keys == keys.max()).tolist()]
        looked = second_look.run(plan, ("refine", "mask"), question.text, self._look, best)
        return looked.hits, {**timings, **looked.timings_ms}, [*told, *looked.warnings]
