"""Which stages a search asks for."""

from __future__ import annotations

from dataclasses import dataclass

from reir.errors import UsageError

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
    def names(self) -> tuple[str, ...]:
        """All stages, in the order in which they run."""
        return (*self.rerank, *(name for name in (self.refine, self.mask) if name is not None))

    @property
    def empty(self) -> bool:
        """Whether nothing is asked for."""
        return not self.names
