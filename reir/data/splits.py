"""The splits of the emoji world: ranges of seeds that never meet.

``GENERATOR_VERSION`` changes whenever the same seed would give another scene, other words or another truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reir.data.layout.styles import SHIFTED, USUAL, Style

GENERATOR_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Split:
    """A range of scene seeds: from ``first`` on, ``capacity`` of them."""

    name: str
    first: int
    capacity: int
    style: Style = USUAL

    def seeds(self, count: int, offset: int = 0) -> range:
        """``count`` seeds, after the first ``offset``.

        Raises ``ValueError`` for seeds beyond the split.
        """
        if count < 0 or offset < 0 or offset + count > self.capacity:
            raise ValueError(f"split {self.name} holds {self.capacity} seeds, asked for {count} after {offset}")
        return range(self.first + offset, self.first + offset + count)


TEST: Final = Split("test", 1_000_000, 1_000_000)
VALIDATION: Final = Split("validation", 2_000_000, 1_000_000)
SHIFTED_TEST: Final = Split("shifted", 3_000_000, 1_000_000, SHIFTED)
"""Drawn otherwise than all the others: how far a model's figures hold beyond the look it was trained on."""
TRAIN: Final = Split("train", 10_000_000, 990_000_000)

SPLITS: Final = {split.name: split for split in (TRAIN, VALIDATION, TEST, SHIFTED_TEST)}
