"""Fitting a picture of any shape into a model's canvas, and boxes back out of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from reir.types import Array, FloatArray, Picture

GREY = 128
"""Level of the padding, and of what shows through transparent pixels: dark and light objects both stand out."""


@dataclass(frozen=True, slots=True)
class Letterbox:
    """A picture scaled with its aspect kept into the top left corner of a grey canvas.

    ``pixels`` (H, W, 3) uint8 is the canvas, ``valid_height`` and ``valid_width`` the part that the picture covers,
    ``width`` and ``height`` the upright original, to which ``to_original`` maps boxes back.
    """

    pixels: npt.NDArray[np.uint8]
    valid_height: int
    valid_width: int
    width: int
    height: int

    @classmethod
    def fit(cls, picture: Picture, canvas: tuple[int, int]) -> Letterbox:
        """The picture on a canvas of (height, width) pixels, as large as fits; small pictures are enlarged.

        Resizing is Pillow's bilinear filter, whose support grows with the reduction: every source pixel counts.
        """
        canvas_height, canvas_width = canvas
        if canvas_height < 1 or canvas_width < 1:
            raise ValueError(f"a canvas has a positive size, got {canvas_height}x{canvas_width}")
        # The original's shape decides, not the reduced pixels', whose sides were rounded once already.
        scale = min(canvas_width / picture.width, canvas_height / picture.height)
        valid_width = min(canvas_width, max(1, round(picture.width * scale)))
        valid_height = min(canvas_height, max(1, round(picture.height * scale)))
        inside = picture.pixels
        if inside.shape[:2] != (valid_height, valid_width):
            resized = Image.fromarray(inside).resize(
                (valid_width, valid_height), Image.Resampling.BILINEAR, reducing_gap=3.0
            )
            inside = np.asarray(resized)
        pixels = np.full((canvas_height, canvas_width, 3), GREY, dtype=np.uint8)
        pixels[:valid_height, :valid_width] = inside
        return cls(pixels, valid_height, valid_width, picture.width, picture.height)

    @property
    def scale(self) -> tuple[float, float]:
        """Canvas pixels for one original pixel, along x and y: equal up to the rounding of the valid size."""
        return self.valid_width / self.width, self.valid_height / self.height

    @property
    def padding(self) -> npt.NDArray[np.bool_]:
        """(H, W) bool, True where the canvas is padding."""
        mask = np.ones(self.pixels.shape[:2], dtype=np.bool_)
        mask[: self.valid_height, : self.valid_width] = False
        return mask

    def to_original(self, boxes: Array) -> FloatArray:
        """Boxes (N, 4) xyxy in canvas pixels as boxes in pixels of the upright original, clipped to it."""
        scaled = np.asarray(boxes, dtype=np.float64).reshape(-1, 4) / np.array(self.scale * 2)
        limits = np.array([self.width, self.height] * 2, dtype=np.float64)
        clipped: FloatArray = np.clip(scaled, 0.0, limits).astype(np.float32)
        return clipped

    def to_canvas(self, boxes: Array) -> FloatArray:
        """Boxes (N, 4) xyxy in pixels of the upright original as boxes in canvas pixels."""
        scaled = np.asarray(boxes, dtype=np.float64).reshape(-1, 4) * np.array(self.scale * 2)
        on_canvas: FloatArray = scaled.astype(np.float32)
        return on_canvas


def nearest_canvas(width: int, height: int, canvases: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The canvas (height, width) whose shape is nearest to that of a picture; the first of equals.

    Shapes are compared by the logarithm of width over height, so that 1:2 is as far from square as 2:1.
    """
    if not canvases:
        raise ValueError("no canvases to choose from")
    wanted = math.log(width / height)
    return min(canvases, key=lambda canvas: abs(math.log(canvas[1] / canvas[0]) - wanted))
