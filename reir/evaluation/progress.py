"""How far a measurement is, for whoever wants to know."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Something that is told how far a measurement is."""

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Take in that ``done`` of ``total`` are done: queries ("encoding", "placing", "trying"), else instances."""
        ...


def silent(phase: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""
