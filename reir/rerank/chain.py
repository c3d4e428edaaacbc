"""Running a stage within its time, and putting its hits in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

from reir.errors import ImageUnreadableError
from reir.rerank.look import Look
from reir.rerank.stage import NetworkStage, Stage
from reir.types import Hit


@dataclass(frozen=True, slots=True)
class StageOutcome:
    """What a stage made of hits: the hits in their new order, what it took, and what the user should know."""

    hits: tuple[Hit, ...]
    milliseconds: float
    warnings: tuple[str, ...]


def run_stage(
    stage: Stage,
    expression: str | None,
    hits: Sequence[Hit],
    look: Look,
    *,
    seconds: float,
    clock: Callable[[], float] = perf_counter,
) -> StageOutcome:
    """The outcome of one stage over ``hits``, best first.

    The stage is given the hits in batches, in their order, until its time is over; one batch it always gets, and within
    it ``look.out_of_time`` tells when to end. A rerank
    stage's hits are then sorted by their new scores, equal ones as they stood. Hits that it has not reached, or whose
    pictures cannot be read, keep their order below those. Each hit that a rerank stage moved or left is told its place
    before and after (``place_before``, ``place``, counted from 1).

    Args:
        stage: the stage.
        expression: what is searched for, or None for a search by example.
        hits: the hits, best first.
        look: pixels and stored values.
        seconds: the time budget.
        clock: seconds that pass.
    """
    look.least_side = stage.decode_side if isinstance(stage, NetworkStage) else 0
    time = StageTime(seconds, clock)
    look.out_of_time = time.asked
    seen: list[Hit] = []
    unseen: list[Hit] = []
    reached = 0
    while reached < len(hits) and (reached == 0 or not time.over):
        batch = hits[reached : reached + stage.hits_at_once]
        reached += len(batch)
        readable, unreadable = _by_readability(stage, batch, look) if stage.needs_pixels else (batch, [])
        unseen += unreadable
        if readable:
            seen += stage.look(expression or "", readable, look)
    if stage.kind == "rerank":
        # What the model's scores mean was measured on its own scores alone.
        seen = [replace(hit, probability=None) for hit in seen]
        ordered = _placed(stage.name, hits, [*sorted(seen, key=lambda hit: -hit.score), *unseen, *hits[reached:]])
    else:
        changed = {hit.instance_id: hit for hit in (*seen, *unseen)}
        ordered = [changed.get(hit.instance_id, hit) for hit in hits]
    warnings = []
    if reached < len(hits):
        warnings.append(f"{stage.name} ran out of time after {seconds:g} s: it looked at {reached} of {len(hits)} hits")
    elif time.told:
        warnings.append(f"{stage.name} ran out of time after {seconds:g} s: it ended with what it had")
    if unseen:
        warnings.append(f"{stage.name} could not read the pictures of {len(unseen)} of {len(hits)} hits")
    return StageOutcome(tuple(ordered), time.passed * 1e3, tuple(warnings))


def noted(hit: Hit, stage: str, note: Mapping[str, Any], **changes: Any) -> Hit:
    """The hit with fields changed by a stage, and with what that stage tells of it."""
    return replace(hit, stages={**hit.stages, stage: {**hit.stages.get(stage, {}), **note}}, **changes)


class StageTime:
    """The time of one stage or grounder, and whether it was told that it is over."""

    def __init__(self, seconds: float, clock: Callable[[], float] = perf_counter) -> None:
        self._seconds, self._clock = seconds, clock
        self._began = clock()
        self.told = False

    @property
    def passed(self) -> float:
        """Seconds since it was made."""
        return self._clock() - self._began

    @property
    def over(self) -> bool:
        """Whether as many seconds have passed as there are."""
        return self.passed >= self._seconds

    def asked(self) -> bool:
        """The stage's own question."""
        self.told = self.over
        return self.told


def _by_readability(stage: Stage, batch: Sequence[Hit], look: Look) -> tuple[list[Hit], list[Hit]]:
    """The hits whose pictures can be read, and the others, told why."""
    readable, unreadable = [], []
    for hit in batch:
        try:
            look.picture(hit)
            readable.append(hit)
        except ImageUnreadableError as error:
            unreadable.append(noted(hit, stage.name, {"error": error.cause}))
    return readable, unreadable


def _placed(name: str, before: Sequence[Hit], after: Sequence[Hit]) -> list[Hit]:
    places = {hit.instance_id: place for place, hit in enumerate(before, start=1)}
    return [
        noted(hit, name, {"place_before": places[hit.instance_id], "place": place})
        for place, hit in enumerate(after, start=1)
    ]
