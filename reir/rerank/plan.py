"""Which stages a search asks for."""

from __future__ import annotations

from dataclasses import dataclass

from reir.errors import UsageError
from reir.rerank.stage import Kind

STAGE_TOP = 100
"""Instances that are ranked anew, by default."""

STAGE_SECONDS = 10.0
"""Time budget of each stage, by default."""

_MOST = 10_000


@dataclass(frozen=True, slots=True)
class StagePlan:
    """Stages by name, in the order in which they run: all of ``rerank``, then ``refine``, then ``mask``.

    Args:
        rerank: each ranks the best ``top`` instances anew; the others keep their order below them.
        refine: gives the hits that are shown better boxes.
        mask: gives the hits that are shown masks.
        top: instances that are ranked anew.
        seconds: time after which a stage stops; the hits that it has not reached stay as they were.

    Raises:
        UsageError: a number out of range, or a stage twice.
    """

    rerank: tuple[str, ...] = ()
    refine: str | None = None
    mask: str | None = None
    top: int = STAGE_TOP
    seconds: float = STAGE_SECONDS

    def __post_init__(self) -> None:
        if not 1 <= self.top <= _MOST:
            raise UsageError(f"stage top must be 1 to {_MOST}, got {self.top}")
        if not 0 < self.seconds < float("inf"):
            raise UsageError(f"stage seconds must be more than 0, got {self.seconds}")
        if len(set(self.rerank)) < len(self.rerank):
            raise UsageError(f"a stage is named twice: {', '.join(self.rerank)}")

    @property
    def steps(self) -> tuple[tuple[str, Kind], ...]:
        """All stages with their kinds, in the order in which they run."""
        shown: tuple[tuple[str | None, Kind], ...] = ((self.refine, "refine"), (self.mask, "mask"))
        reranked: tuple[tuple[str, Kind], ...] = tuple((name, "rerank") for name in self.rerank)
        return (*reranked, *((name, kind) for name, kind in shown if name is not None))

    @property
    def names(self) -> tuple[str, ...]:
        """All stages, in the order in which they run."""
        return tuple(name for name, _ in self.steps)

    @property
    def empty(self) -> bool:
        """Whether nothing is asked for."""
        return not self.names
