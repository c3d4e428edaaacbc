"""What is measured: anything that can say where each query's answer stands.

A model over its index, a model with stages, and a retriever of pictures followed by a method that looks inside them are
three systems; ``evaluate_system`` compares them by one set of figures::

    OneStage(snapshot, model, stages=StagePlan(("templates",)), blend=None)
    TwoStage(tower_snapshot, tower, snapshot, model, depth=None, stages=None, blend=None)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args

from reir.data.dataset import Dataset, Query
from reir.evaluation.painted import Painted
from reir.evaluation.progress import Progress
from reir.metrics import Ranks

Task = Literal["reir", "rec", "ris", "tir"]
"""``reir``: boxes in the whole gallery. ``rec``: the box inside the right picture. ``ris``: the mask inside the right
picture. ``tir``: the picture alone."""
TASKS: tuple[Task, ...] = get_args(Task)


@dataclass(frozen=True, slots=True)
class Cost:
    """Forward passes, as the CLARE paper counts them (section 5.3), by the name of the model or stage.

    ``pictures``: one a picture, made before any query; ``texts``: one an expression; ``pairs``: passes of what looks at
    the pixels of a picture for one query, one a (query, picture) pair, which nothing can make beforehand.
    """

    pictures: Mapping[str, int] = field(default_factory=dict)
    texts: Mapping[str, int] = field(default_factory=dict)
    pairs: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All passes together."""
        return sum(sum(part.values()) for part in (self.pictures, self.texts, self.pairs))

    def to_json(self) -> dict[str, Any]:
        """The passes by what they look at and who makes them, and their sum."""
        parts = {"pictures": dict(self.pictures), "texts": dict(self.texts), "pairs": dict(self.pairs)}
        return {**parts, "total": self.total}


@dataclass(frozen=True, slots=True)
class Retriever:
    """What chose the pictures of a two-stage system, from which snapshot, and in how many of them boxes are sought."""

    name: str
    fingerprint: str
    snapshot: int
    depth: int | None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; ``depth`` is null where it is the largest k that is asked for."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class SystemFacts:
    """Whose figures they are: the model that gives the boxes, its gallery, what chose the pictures, and the stages.

    A grounder has no fingerprint and no instances.
    """

    model: str
    fingerprint: str
    snapshot: int
    images: int
    instances: int
    stages: Sequence[str] = ()
    retriever: Retriever | None = None

    @property
    def title(self) -> str:
        """Whose figures they are, in words."""
        giver = f"model {self.model} ({self.fingerprint[:12]})" if self.fingerprint else f"grounder {self.model}"
        parts = [giver, *self.stages]
        if self.retriever is not None:
            first = self.retriever
            parts = [f"pictures by {first.name} ({first.fingerprint[:12]})", f"boxes by {parts[0]}", *parts[1:]]
        return ", then ".join(parts)


@dataclass(frozen=True, slots=True)
class Answers:
    """Where each query's answer stands, what that took, and what should be known.

    Of ``ranks``, the tasks ``rec`` and ``ris`` fill ``top_iou`` alone, with overlaps of boxes and of masks, and ``tir``
    needs ``image`` alone. ``painted`` are the masks of ``ris``.
    """

    ranks: Ranks
    cost: Cost
    timings_ms: dict[str, float]
    warnings: list[str]
    painted: Painted | None = None


class System(Protocol):
    """Something that can be measured."""

    @property
    def facts(self) -> SystemFacts:
        """Whose figures they are."""
        ...

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
        """The place of each query's answer, counted to ``depth``; ``queries`` are of ``dataset``, ambiguous ones too.

        Raises:
            UsageError: the system cannot do this task.
            ModelMismatchError: an index was made by another model.
            PicturesMissingError: an index lacks pictures of the data set.
        """
        ...
