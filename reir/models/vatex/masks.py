"""What the network's queries make of one picture, at any size: without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from reir.geometry import iou_matrix
from reir.geometry.masks import encode_rle, resize_rle
from reir.types import Box, FloatArray

_STRIDE = 4
"""Pixels of the network's picture to one of its masks'."""
_MOST_PIXELS = 16_000_000
"""Pixels of the largest map of numbers that is made for a mask: 64 MB."""
_SPECK = 0.1
"""Share of the largest piece of a mask below which another piece does not stretch its box."""


@dataclass(frozen=True)
class QueryMasks:
    """The N queries' answers to one expression.

    ``chances`` (N,) float32, that a query is the object; ``logits`` (N, h, w) float32, its mask before the sigmoid,
    over ``window``: the part of the upright original that the network saw, in pixels.
    """

    chances: FloatArray
    logits: FloatArray
    window: Box

    @property
    def best(self) -> int:
        """The query with the highest chance among those whose masks have a pixel; of all, where none has."""
        found = [query for query, box in enumerate(self.boxes) if box is not None] or range(len(self.chances))
        return max(found, key=lambda query: float(self.chances[query]))

    @cached_property
    def boxes(self) -> list[Box | None]:
        """The box of each query's mask in pixels of the upright original; None for an empty mask.

        Pieces of a tenth of the largest one or less are specks: they are left in the mask, but do not stretch its box.
        """
        return [self._box(query) for query in range(len(self.chances))]

    def mask(self, query: int, width: int, height: int, *, original: tuple[int, int]) -> npt.NDArray[np.bool_]:
        """The mask (height, width) of a query over the whole picture, whose original measures ``original`` (w, h)."""
        across, down = width / original[0], height / original[1]
        x0, y0, x1, y1 = self.window
        left, right = round(x0 * across), max(round(x1 * across), round(x0 * across) + 1)
        top, bottom = round(y0 * down), max(round(y1 * down), round(y0 * down) + 1)
        whole = np.zeros((height, width), dtype=np.bool_)
        part = _resized(self.logits[query], right - left, bottom - top) > 0
        whole[top:bottom, left:right] = part[: height - top, : width - left]
        return whole

    def rle(self, query: int, width: int, height: int) -> dict[str, Any]:
        """The mask of a query at the size of the original, as COCO's run lengths.

        The edges of very large pictures are drawn on ``_MOST_PIXELS`` and enlarged: they hold no more than that.
        """
        scale = min(1.0, math.sqrt(_MOST_PIXELS / (width * height)))
        drawn = self.mask(query, max(1, round(width * scale)), max(1, round(height * scale)), original=(width, height))
        return resize_rle(encode_rle(drawn), width, height)

    def fits(self, box: Box) -> FloatArray:
        """How far each query's box overlaps a box, (N,) IoU; 0 for an empty mask."""
        own = np.array([found or (0, 0, 0, 0) for found in self.boxes], dtype=np.float32)
        return iou_matrix(own, [box])[:, 0].astype(np.float32)

    def _box(self, query: int) -> Box | None:
        height, width = self.logits.shape[1:]
        seen = _resized(self.logits[query], width * _STRIDE, height * _STRIDE) > 0
        pieces, count = ndimage.label(seen)
        if not count:
            return None
        sizes = np.bincount(pieces.ravel())[1:]
        kept = np.isin(pieces, 1 + np.flatnonzero(sizes > _SPECK * sizes.max()))
        rows, columns = np.flatnonzero(kept.any(axis=1)), np.flatnonzero(kept.any(axis=0))
        x0, y0, x1, y1 = self.window
        across, down = (x1 - x0) / seen.shape[1], (y1 - y0) / seen.shape[0]
        return (
            x0 + float(columns[0]) * across,
            y0 + float(rows[0]) * down,
            x0 + float(columns[-1] + 1) * across,
            y0 + float(rows[-1] + 1) * down,
        )


def _resized(logits: FloatArray, width: int, height: int) -> FloatArray:
    """Logits (h, w) at another size, bilinear."""
    image = Image.fromarray(np.ascontiguousarray(logits, dtype=np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
