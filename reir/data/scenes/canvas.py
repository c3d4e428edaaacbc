"""A drawing surface in scene units: the same strokes give the same place at every resolution."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from reir.types import FloatArray

Colour = tuple[float, float, float]
"""Red, green, blue in 8-bit levels (fractions allowed)."""
Point = tuple[float, float]

FINE_PIXELS = 600_000
"""Pictures with fewer pixels are drawn at twice their size and reduced, which smooths the edges."""


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """The colour ``share`` of the way from ``first`` to ``second``."""
    r, g, b = (a + (c - a) * share for a, c in zip(first, second, strict=True))
    return r, g, b


def scaled(colour: Colour, gain: float) -> Colour:
    """The colour brightened (gain > 1) or darkened (gain < 1)."""
    r, g, b = (min(value * gain, 255.0) for value in colour)
    return r, g, b


def choose(rng: np.random.Generator, colours: tuple[Colour, ...], spread: float = 10.0) -> Colour:
    """One of the colours, moved a little: ``spread`` levels in brightness, less in hue."""
    r, g, b = colours[int(rng.integers(len(colours)))]
    brightness = rng.normal(0, spread)
    dr, dg, db = brightness + rng.normal(0, 0.4 * spread, 3)
    return min(max(r + dr, 0), 255), min(max(g + dg, 0), 255), min(max(b + db, 0), 255)


def _ink(colour: Colour) -> tuple[int, int, int]:
    r, g, b = (min(255, max(0, int(value + 0.5))) for value in colour)
    return r, g, b


class Canvas:
    """A picture of ``width`` x ``height`` pixels that shows ``units`` (w, h) scene units."""

    def __init__(self, units: tuple[float, float], width: int, height: int) -> None:
        self.w, self.h = units
        self._width, self._height = width, height
        self._fine = 2 if width * height < FINE_PIXELS else 1
        self._image = Image.new("RGB", (width * self._fine, height * self._fine))
        self._draw = ImageDraw.Draw(self._image)
        self._sx = width * self._fine / self.w
        self._sy = height * self._fine / self.h
        self._light: FloatArray | None = None

    def _points(self, points: Sequence[Point]) -> list[Point]:
        # Half a pixel: PIL counts pixel centres, scene units count edges.
        return [(x * self._sx - 0.5, y * self._sy - 0.5) for x, y in points]

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        """Fill a polygon."""
        self._draw.polygon(self._points(points), fill=_ink(colour))

    def rectangle(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """Fill a rectangle; thinner than a pixel it is left out."""
        left, top = round(x0 * self._sx), round(y0 * self._sy)
        right, bottom = round(x1 * self._sx) - 1, round(y1 * self._sy) - 1
        if right >= left and bottom >= top:
            self._draw.rectangle((left, top, right, bottom), fill=_ink(colour))

    def ellipse(self, cx: float, cy: float, rx: float, ry: float, colour: Colour) -> None:
        """Fill an ellipse."""
        corners = self._points([(cx - rx, cy - ry), (cx + rx, cy + ry)])
        self._draw.ellipse(corners, fill=_ink(colour))

    def line(self, points: Sequence[Point], thickness: float, colour: Colour) -> None:
        """Draw a line, at least one fine pixel thick."""
        pixels = max(1, round(thickness * min(self._sx, self._sy)))
        self._draw.line(self._points(points), fill=_ink(colour), width=pixels, joint="curve" if pixels > 4 else None)

    def gradient(self, y0: float, y1: float, top: Colour, bottom: Colour) -> None:
        """Fill the full-width band from ``y0`` to ``y1`` with a vertical gradient."""
        first, last = round(y0 * self._sy), round(y1 * self._sy)
        if last <= first:
            return
        share = ((np.arange(first, last) + 0.5) / self._sy - y0) / (y1 - y0)
        column = np.array(top) + (np.array(bottom) - np.array(top)) * share[:, None]
        strip = np.clip(column + 0.5, 0, 255).astype(np.uint8)[:, None]  # (rows, 1, 3)
        band = Image.fromarray(strip).resize((self._image.width, last - first), Image.Resampling.NEAREST)
        self._image.paste(band, (0, first))

    def light(self, grid: npt.ArrayLike, y0: float, y1: float) -> None:
        """Brighten or darken the band from ``y0`` to ``y1`` smoothly, once all is drawn.

        ``grid`` (rows, columns) holds the relative change at points spread evenly over the band: 0.1 is 10% brighter.
        """
        first, last = round(y0 * self._height / self.h), round(y1 * self._height / self.h)
        first, last = max(first, 0), min(last, self._height)
        if last <= first:
            return
        small = Image.fromarray(np.asarray(grid, dtype=np.float32))
        if self._light is None:
            self._light = np.ones((self._height, self._width), dtype=np.float32)
        self._light[first:last] += np.asarray(small.resize((self._width, last - first), Image.Resampling.BICUBIC))

    def finish(self) -> npt.NDArray[np.uint8]:
        """The picture, (height, width, 3) uint8; the canvas may not be used afterwards."""
        image = self._image.reduce(self._fine) if self._fine > 1 else self._image
        pixels = np.array(image)
        if self._light is not None:
            rows = max(1, 2**20 // self._width)  # in strips: a float copy of 12 megapixels would need 150 MB
            for start in range(0, self._height, rows):
                strip = pixels[start : start + rows] * self._light[start : start + rows, :, None]
                np.minimum(strip, 255.0, out=strip)
                pixels[start : start + rows] = strip
        return pixels


def mottle(
    rng: np.random.Generator, canvas: Canvas, band: tuple[float, float], cell: tuple[float, float], amount: float
) -> None:
    """Uneven light on the band between two heights: patches of ``cell`` (width, height) scene units."""
    rows, columns = (
        max(2, math.ceil(length / side)) for length, side in ((band[1] - band[0], cell[1]), (canvas.w, cell[0]))
    )
    canvas.light(rng.normal(0.0, amount, (rows, columns)), *band)
