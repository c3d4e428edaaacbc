"""Pictures with expressions and true masks, to be measured on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class MaskQuery:
    """An expression, its kind if the data set tells it, which object of its picture it means, and its mask (h, w)."""

    text: str
    kind: str | None
    target: int
    mask: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class MaskScene:
    """A picture (h, w, 3) uint8 as the network takes it, with expressions; their masks are of its size."""

    pixels: npt.NDArray[np.uint8]
    queries: tuple[MaskQuery, ...]
