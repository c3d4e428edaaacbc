"""Random numbers for choosing words: Python's own generator is many times faster than NumPy's for single draws."""

from __future__ import annotations

from random import Random

import numpy as np

Dice = Random | np.random.Generator


def as_random(rng: Dice) -> Random:
    """The generator itself, or one of Python's that is seeded by a draw from NumPy's."""
    return rng if isinstance(rng, Random) else Random(int(rng.integers(1 << 62)))
