"""How far a run is: what a progress bar needs, whoever draws it."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import Literal, Protocol

Phase = Literal["looking", "indexing", "saving"]


@dataclass(frozen=True, slots=True)
class ProgressState:
    """A moment of a run: pictures done of ``total`` (None while they are still being counted), pace and time left.

    ``images_per_second`` is that of the last seconds, ``seconds_left`` what it means for the rest; None at first.
    """

    phase: Phase
    done: int
    total: int | None
    failed: int = 0
    images_per_second: float | None = None
    seconds_left: float | None = None


class Progress(Protocol):
    """Something that is told, often and from the thread that runs the indexer, how far a run is."""

    def __call__(self, state: ProgressState) -> None:
        """Take in the new state; it should return at once."""
        ...


class Meter:
    """Counts pictures, keeps their pace over the last seconds, and tells a `Progress` ten times a second at most."""

    WINDOW_SECONDS = 10.0
    INTERVAL_SECONDS = 0.1

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._phase: Phase = "looking"
        self._total: int | None = None
        self._done = 0
        self.failed = 0
        self._told_at = 0.0
        self._marks: deque[tuple[float, int]] = deque()

    def enter(self, phase: Phase, total: int | None = None) -> None:
        """Begin a phase; ``total`` is kept from before where it is not given."""
        self._phase = phase
        if total is not None:
            self._total, self._done = total, 0
            self._marks.clear()
        self._tell(force=True)

    def step(self, count: int = 1) -> None:
        """Count pictures."""
        self._done += count
        self._tell()

    def _tell(self, *, force: bool = False) -> None:
        if self._progress is None:
            return
        now = time.monotonic()
        if not force and now - self._told_at < self.INTERVAL_SECONDS:
            return
        self._told_at = now
        self._marks.append((now, self._done))
        while now - self._marks[0][0] > self.WINDOW_SECONDS and len(self._marks) > 2:
            self._marks.popleft()
        since, before = self._marks[0]
        pace = (self._done - before) / (now - since) if now > since and self._done > before else None
        left = (self._total - self._done) / pace if pace and self._total is not None else None
        self._progress(ProgressState(self._phase, self._done, self._total, self.failed, pace, left))
