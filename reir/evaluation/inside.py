"""The box that a method gives for an expression in one picture: referring expression comprehension."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from reir.rerank import StagePlan
from reir.search import Searcher, SearchRequest
from reir.types import FloatArray

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
    from reir.store import ImageFilter

    searcher = Searcher(snapshot, model)
    found = np.zeros(len(questions))
    names = {name.partition(":")[0] for name in plan.names}
    stopped = 0
    for number, question in enumerate(questions):
        where = ImageFilter(image_ids=(located.image_ids[question.file_name],))
        request = SearchRequest(question.text, top=plan.top, flat=True, where=where, stages=plan, blend=blend)
        (answer,) = searcher.search_many([request])
        if isinstance(answer, ReirError):
            raise answer
        for name in names & set(answer.timings_ms):
            key = f"{name}_per_query"
            timings[key] = timings.get(key, 0.0) + answer.timings_ms[name] / len(questions)
        stopped += bool(set(answer.warnings) - {model.notice, *model.text_warnings(question.text)})
        if answer.hits:
            keys = hit_keys(answer.hits, plan)
            own = np.full(len(keys), located.source_ids[question.file_name])
            overlaps = question.truth.overlaps(own, np.array([hit.box for hit in answer.hits]))
            found[number] = overlaps[keys == keys.max()].min()
        tell("looking again", number + 1, len(questions))
    told = [f"stages did not see all hits of {stopped} of {len(questions)} expressions"] if stopped else []
    return found, told
