"""What an evaluation found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from reir.evaluation.saved_outcomes import SavedOutcomes
from reir.evaluation.system import Cost, Retriever, Task

SizeRule = Literal["dataset", "coco"]


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares in [0, 1] of a number of queries, with their 95% bootstrap intervals ``[low, high]``, nested alike.

    Keys are ``official`` and ``any`` (each ``{"box_recall": {iou: {k: share}}}``), ``image_recall`` (``{k: share}``)
    and ``precision_at_0.5``; for the tasks ``rec`` and ``ris`` also ``precision_at_IOU`` at other overlaps and
    ``mean_iou``, and for ``ris`` ``overall_iou`` and ``object_centric_iou``. Those that were asked for and make sense.
    """

    queries: int
    shares: Mapping[str, Any]
    intervals: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """One flat object: the number of queries, the shares, and the intervals under ``intervals``."""
        return {"queries": self.queries, **self.shares, "intervals": self.intervals}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of one system over one gallery: all queries, by kind, by size, and the ambiguous expressions apart.

    ``size_rule`` says whose size classes ``by_size`` uses: the data set's own, or COCO's areas (below 32 x 32 pixels
    small, below 96 x 96 medium). ``system`` names in words whose figures they are, and ``outcomes`` holds every query's
    ranks, from which another system can be compared (`compare`). ``masks`` counts the answers of the task ``ris``.
    ``retriever`` is what chose the pictures, None where the ``model`` itself did; ``cost`` what was computed, in
    forward passes. ``timings_ms`` has the model's start, encoding (a query, in batches), placing each query in its own
    picture, the scan of the gallery, each of the ``stages`` a query, and the same of the retriever; or the time of a
    grounder a query.
    """

    dataset: str
    model: str
    fingerprint: str
    snapshot: int
    images: int
    instances: int
    ks: Sequence[int]
    ious: Sequence[float]
    overall: Figures
    by_kind: Mapping[str, Figures]
    by_size: Mapping[str, Figures]
    size_rule: SizeRule
    ambiguous: Figures | None
    system: str
    outcomes: SavedOutcomes
    timings_ms: Mapping[str, float]
    warnings: Sequence[str] = ()
    stages: Sequence[str] = ()
    task: Task = "reir"
    retriever: Retriever | None = None
    cost: Cost = field(default_factory=Cost)
    masks: Mapping[str, int] | None = None

    def to_json(self) -> dict[str, Any]:
        """The object that ``reir eval --json`` prints."""
        return {
            "task": self.task,
            "dataset": self.dataset,
            "model": self.model,
            "fingerprint": self.fingerprint,
            "snapshot": self.snapshot,
            "stages": list(self.stages),
            "retriever": self.retriever.to_json() if self.retriever is not None else None,
            "gallery": {"images": self.images, "instances": self.instances},
            **self.overall.to_json(),
            "by_kind": {kind: figures.to_json() for kind, figures in self.by_kind.items()},
            "by_size": {size: figures.to_json() for size, figures in self.by_size.items()},
            "size_rule": self.size_rule,
            "masks": None if self.masks is None else dict(self.masks),
            "ambiguous": self.ambiguous.to_json() if self.ambiguous is not None else None,
            "cost": self.cost.to_json(),
            "timings_ms": {name: round(value, 3) for name, value in self.timings_ms.items()},
            "warnings": list(self.warnings),
        }
