"""How scenes are cast and laid out: the usual way, and the shifted one that no model is trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reir.data.scenes.places import ELSEWHERE, PLACES
from reir.data.scenes.scene import Size


@dataclass(frozen=True, slots=True)
class Style:
    """Ranges that scenes are drawn from. Angles are degrees."""

    places: tuple[str, ...]
    extents: Mapping[Size, tuple[float, float]]
    """Longer side in scene units; the gaps between the classes keep the size words clear."""
    steady_tilt: float
    """Furniture and buildings, and what carries or is carried, tilt by at most this."""
    tilt: float
    """Standard deviation of the others' tilt ..."""
    most_tilt: float
    """... and its bound, but for a share of ``turned`` that are turned by up to ``most_turn``."""
    turned: float
    most_turn: float
    grey: float
    """Share of things without a colour. No expression names it."""


USUAL: Final = Style(
    places=PLACES,
    extents={"small": (0.130, 0.165), "medium": (0.210, 0.270), "large": (0.340, 0.450)},
    steady_tilt=4.0,
    tilt=6.0,
    most_tilt=15.0,
    turned=0.08,
    most_turn=35.0,
    grey=0.0,
)
"""Training, validation and test."""

SHIFTED: Final = Style(
    places=ELSEWHERE,
    extents={"small": (0.112, 0.165), "medium": (0.200, 0.280), "large": (0.340, 0.490)},
    steady_tilt=8.0,
    tilt=11.0,
    most_tilt=26.0,
    turned=0.2,
    most_turn=50.0,
    grey=0.2,
)
"""The shifted split: other places, other sizes, more tilt, some things without colour; see also ``render.FINISHES``."""
