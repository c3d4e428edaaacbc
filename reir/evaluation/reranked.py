"""Where queries stand once stages have looked at the best instances again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reir.errors import ReirError, UsageError
from reir.evaluation.progress import Progress
from reir.metrics import Ranks, Truth
from reir.protocols import Model
from reir.rerank import StagePlan, load_stage
from reir.search import Searcher, SearchRequest
from reir.types import Hit, IntArray

if TYPE_CHECKING:
    from reir.store import Snapshot


@dataclass(frozen=True, slots=True)
class Reranked:
    """What stages made of the first ranks.

    ``timings_ms``: mean milliseconds a query of each stage; ``pairs``: (query, picture) pairs among the instances that
    they were given, over all queries; ``warnings``: what should be known.
    """

    ranks: Ranks
    timings_ms: Mapping[str, float]
    pairs: int
    warnings: Sequence[str]


def rerank(
    snapshot: Snapshot,
    model: Model,
    expressions: Sequence[str],
    truths: Sequence[Truth],
    ranks: Ranks,
    plan: StagePlan,
    *,
    blend: Mapping[str, float] | None,
    progress: Progress,
) -> Reranked:
    """The ranks after the stages of ``plan``.

    The best ``plan.top`` instances stand in the order that the stages gave them, ties counted against the model, with
    the boxes that they gave them; all others keep their first ranks below. So a query whose picture has no instance
    among those best stands where it stood.

    Raises:
        UsageError: the stages look at fewer instances than the ranks go deep, or cannot look at this index.
    """
    if plan.top < ranks.depth:
        raise UsageError(f"--stage-top must be at least the largest k, {ranks.depth}, got {plan.top}")
    searcher = Searcher(snapshot, model)
    official, top_iou, image = ranks.official.copy(), ranks.top_iou.copy(), ranks.image.copy()
    found_any = ranks.any.copy()
    timings: dict[str, float] = {}
    stopped = pairs = 0
    for q, (expression, truth) in enumerate(zip(expressions, truths, strict=True)):
        request = SearchRequest(expression, top=plan.top, flat=True, stages=plan, blend=blend)
        (answer,) = searcher.search_many([request])
        if isinstance(answer, ReirError):
            raise answer
        for name, milliseconds in answer.timings_ms.items():
            timings[name] = timings.get(name, 0.0) + milliseconds / len(expressions)
        stopped += bool(set(answer.warnings) - {model.notice, *model.text_warnings(expression)})
        hits = answer.hits
        if hits:
            sources = snapshot.instances([hit.instance_id for hit in hits]).image_ids
            pairs += len(np.unique(sources))
            overlaps = truth.overlaps(sources, np.array([hit.box for hit in hits]))
            keys = hit_keys(hits, plan)
            own = np.isin(sources, truth.image_ids)
            if own.any():
                best = keys[own].max()
                official[q] = np.count_nonzero(keys >= best) - 1
                top_iou[q] = overlaps[own & (keys == best)].min()
                image[q] = len(set(sources[(keys >= best) & ~own].tolist()))
            for i, iou in enumerate(ranks.ious):
                right = overlaps > iou
                found_any[q, i] = (
                    np.count_nonzero(keys[~right] >= keys[right].max())
                    if right.any()
                    else max(found_any[q, i], len(hits))
                )
        progress("looking again", q + 1, len(expressions))
    depth = ranks.depth
    after = replace(
        ranks,
        official=_capped(official, depth),
        top_iou=top_iou,
        any=_capped(found_any, depth),
        image=_capped(image, depth),
    )
    told = {name.partition(":")[0] for name in plan.names}
    warnings = [f"stages did not see all hits of {stopped} of {len(expressions)} expressions"] if stopped else []
    return Reranked(after, {name: value for name, value in timings.items() if name in told}, pairs, warnings)


def looks_at_pixels(plan: StagePlan) -> list[str]:
    """The stages of a plan that look at pictures themselves, and so cost a forward pass or more a pair."""
    return [name for name, kind in plan.steps if load_stage(name, kind).needs_pixels]


def hit_keys(hits: Sequence[Hit], plan: StagePlan) -> npt.NDArray[np.float64]:
    """A number for each hit that orders them as they stand, equal for those that the last rerank stage scored alike."""
    if not plan.rerank:
        return np.array([hit.score for hit in hits])
    last = plan.rerank[-1].partition(":")[0]
    keys = -np.arange(len(hits), dtype=np.float64)
    for place in range(1, len(hits)):
        both_scored = all("score" in hit.stages.get(last, {}) for hit in hits[place - 1 : place + 1])
        if both_scored and hits[place - 1].score == hits[place].score:
            keys[place] = keys[place - 1]
    return keys


def _capped(ranks: IntArray, depth: int) -> IntArray:
    capped: IntArray = np.minimum(ranks, depth)
    return capped
