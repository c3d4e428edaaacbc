"""The sizes at which pictures are looked at."""

from __future__ import annotations

STRIDE = 32
"""Sides of the network's pictures are multiples of it."""
LONGEST = 2.0
"""Times the shorter side, beyond which a longer one is squeezed: strips would take memory without end."""


def network_size(width: int, height: int, side: int) -> tuple[int, int]:
    """The size (height, width) at which a picture is looked at: its shorter side ``side``, both multiples of 32.

    *Differs from the paper*, whose pictures are padded: here each side is stretched to the nearest multiple, by 3% at
    most at a short side of 480, so that no picture is padded.
    """
    scale = side / min(width, height)
    rows, columns = (
        max(STRIDE, round(min(length * scale, LONGEST * side) / STRIDE) * STRIDE) for length in (height, width)
    )
    return rows, columns
