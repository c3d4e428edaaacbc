"""The stages of searches: loaded once, and the orders that they found remembered for further pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING

from cachetools import LRUCache

from reir.errors import UsageError
from reir.protocols import Grounder, Model
from reir.rerank import Kind, Look, NetworkStage, Stage, StagePlan, load_stage, run_stage
from reir.types import Hit

if TYPE_CHECKING:
    from reir.search.encoder import EncodedQuery
    from reir.search.request import SearchRequest

_REMEMBERED_HITS = 20_000
_REMEMBERED_STAGES = 32
_LOADED = 1.0
"""Milliseconds from which making a stage ready counts as loading: one that is ready says so at once."""


@dataclass(frozen=True, slots=True)
class Looked:
    """Hits after some stages, what these took, and what the user should know."""

    hits: tuple[Hit, ...]
    timings_ms: Mapping[str, float]
    warnings: tuple[str, ...]


def added(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    """The times of both; a name that both have gets their sum."""
    return {**first, **{name: first.get(name, 0.0) + value for name, value in second.items()}}


def prepared(method: NetworkStage | Grounder) -> dict[str, float]:
    """Load a method's networks; the milliseconds under ``prepare``, or nothing where they were loaded."""
    began = perf_counter()
    method.prepare()
    loading = (perf_counter() - began) * 1e3
    return {"prepare": loading} if loading >= _LOADED else {}


class SecondLook:
    """The stages over one model's indexes. Safe from several threads.

    The order that the rerank stages gave an answer is remembered for its further pages, so that they go on in it even
    where a stage ran out of time; an answer that was forgotten is ranked anew.
    """

    def __init__(self, model: Model, *, device: str = "auto") -> None:
        """``device``: where the networks of stages run."""
        self._model = model
        self._device = device
        self._stages: LRUCache[tuple[str, Kind], Stage] = LRUCache(_REMEMBERED_STAGES)
        self._ranked: LRUCache[tuple[object, ...], Looked] = LRUCache(
            _REMEMBERED_HITS, lambda looked: len(looked.hits) + 1
        )
        self._lock = Lock()

    def check(self, plan: StagePlan, expression: str | None) -> None:
        """Returns when all stages of the plan can look at such a search.

        Raises:
            UsageError: a stage that is not known, cannot look at the model's indexes, or needs an expression.
        """
        for name, kind in plan.steps:
            stage = self._stage(name, kind)
            stage.check(self._model)
            if stage.needs_expression and expression is None:
                raise UsageError(f"{stage.name} needs an expression to compare with; this search is by example")

    def prepare(self, plan: StagePlan) -> None:
        """Load the networks of the plan's stages, so that no search waits for them.

        Raises:
            UsageError: a stage that is not known or cannot look at the model's indexes.
            WeightsMissingError: its weights are not on this machine.
        """
        for name, kind in plan.steps:
            stage = self._stage(name, kind)
            stage.check(self._model)
            if isinstance(stage, NetworkStage):
                stage.prepare()

    def rerank(
        self, request: SearchRequest, query: EncodedQuery, look: Look, hits: Callable[[], Sequence[Hit]]
    ) -> Looked:
        """The best instances in the order of the request's rerank stages; ``hits`` gives them, best first."""
        key = (look.snapshot, request.conditions, query.expression, query.vector.tobytes())
        if request.snapshot is not None:  # a further page
            with self._lock:
                known = self._ranked.get(key)
            if known is not None:
                return Looked(known.hits, {}, known.warnings)
        looked = self.run(request.stages, ("rerank",), query.expression, look, hits())
        with self._lock:
            self._ranked[key] = looked
        return looked

    def finish(self, request: SearchRequest, query: EncodedQuery, look: Look, hits: Sequence[Hit]) -> Looked:
        """The hits that are shown, with the boxes and masks of the request's other stages."""
        return self.run(request.stages, ("refine", "mask"), query.expression, look, hits)

    def run(
        self, plan: StagePlan, kinds: Sequence[Kind], expression: str | None, look: Look, hits: Sequence[Hit]
    ) -> Looked:
        """The hits, best first, after the plan's stages of these kinds.

        Loading networks takes none of a stage's time; it is told as ``prepare``.
        """
        after, warnings = tuple(hits), tuple[str, ...]()
        timings: dict[str, float] = {}
        for name, kind in plan.steps:
            if kind in kinds:
                stage = self._stage(name, kind)
                if isinstance(stage, NetworkStage):
                    timings = added(timings, prepared(stage))
                outcome = run_stage(stage, expression, after, look, seconds=plan.seconds)
                after, warnings = outcome.hits, warnings + outcome.warnings
                timings = added(timings, {stage.name: outcome.milliseconds})
        return Looked(after, timings, warnings)

    def _stage(self, name: str, kind: Kind) -> Stage:
        with self._lock:
            stage = self._stages.get((name, kind))
            if stage is None:
                stage = self._stages[name, kind] = load_stage(name, kind, device=self._device)
            return stage
