"""Boxes with labels, masks and ellipses, drawn on a picture at its upright orientation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from reir.types import Box, Picture

Colour = tuple[int, int, int]

COLOURS: tuple[Colour, ...] = ((230, 40, 70), (20, 120, 245), (0, 150, 95), (245, 165, 0), (150, 70, 220))
"""Line colours, best box first; they stay apart for people with the common forms of colour blindness."""

_INK: Colour = (16, 18, 22)
_PAPER: Colour = (255, 255, 255)
_TINT = 115
"""How much of 255 of a masked pixel is the colour: the thing stays to be seen."""


@dataclass(frozen=True, slots=True)
class Ellipse:
    """An ellipse in pixels of the upright original: its middle, its two half axes, and the angle of the first.

    The angle is in radians, from the right towards the bottom.
    """

    centre: tuple[float, float]
    axes: tuple[float, float]
    angle: float

    def outline(self, points: int = 120) -> npt.NDArray[np.float64]:
        """Points (P, 2) around it."""
        turn = np.linspace(0, 2 * np.pi, points, endpoint=False)
        along, across = self.axes[0] * np.cos(turn), self.axes[1] * np.sin(turn)
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        around = np.stack([along * cosine - across * sine, along * sine + across * cosine], axis=1)
        outline: npt.NDArray[np.float64] = around + np.array(self.centre)
        return outline


@dataclass(frozen=True, slots=True)
class Mark:
    """One box to draw, in pixels of the upright original, the words at its corner, and the thing's mask (h, w).

    The mask covers the whole picture, at any size. The ellipse is what a stage drew around the thing.
    """

    box: Box
    label: str = ""
    mask: npt.NDArray[np.bool_] | None = None
    ellipse: Ellipse | None = None


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's built-in scalable font at ``size`` pixels: no font file has to be found on the machine."""
    return ImageFont.load_default(size)


def ink_on(colour: Colour) -> Colour:
    """Black or white, whichever reads better on ``colour`` (relative luminance, ITU-R BT.709)."""
    red, green, blue = colour
    return _INK if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 150 else _PAPER


def draw_boxes(picture: Picture, marks: Sequence[Mark]) -> Image.Image:
    """The picture with its marks drawn, at the size of ``picture.pixels``.

    Lines and letters scale with the picture, so that a thumbnail and a 12-megapixel photo read alike. Each line has
    a thin white edge and can be seen on any ground. The first mark is drawn last, over the others, and the labels
    over all lines.
    """
    image = Image.fromarray(picture.pixels)
    for place in reversed(range(len(marks))):
        mask = marks[place].mask
        if mask is not None:
            _tint(image, mask, COLOURS[place % len(COLOURS)])
    canvas = ImageDraw.Draw(image)
    width, height = image.size
    across, down = width / picture.width, height / picture.height
    measure = (width * height) ** 0.5
    line = max(2, round(1 + measure * 0.006))
    letters = font(max(11, round(measure * 0.03)))
    frames = [
        (
            min(max(round(x0 * across), 0), width - 1),
            min(max(round(y0 * down), 0), height - 1),
            min(max(round(x1 * across) - 1, 0), width - 1),
            min(max(round(y1 * down) - 1, 0), height - 1),
        )
        for x0, y0, x1, y1 in (mark.box for mark in marks)
    ]
    for place in reversed(range(len(marks))):
        ellipse = marks[place].ellipse
        if ellipse is not None:
            outline = [(float(x), float(y)) for x, y in ellipse.outline() * (across, down)]
            _draw_outline(canvas, outline, COLOURS[place % len(COLOURS)], line)
        _draw_frame(canvas, frames[place], COLOURS[place % len(COLOURS)], line)
    for place in reversed(range(len(marks))):
        if marks[place].label:
            _draw_label(canvas, frames[place], marks[place].label, COLOURS[place % len(COLOURS)], letters, line)
    return image


def _tint(image: Image.Image, mask: npt.NDArray[np.bool_], colour: Colour) -> None:
    """The masked pixels half in the colour."""
    share = Image.fromarray(mask.astype(np.uint8) * _TINT).resize(image.size, Image.Resampling.BILINEAR)
    image.paste(colour, (0, 0), share)


def _draw_outline(
    canvas: ImageDraw.ImageDraw, outline: Sequence[tuple[float, float]], colour: Colour, line: int
) -> None:
    """A closed line, with a thin white edge on both sides."""
    closed = [*outline, *outline[:2]]
    canvas.line(closed, fill=_PAPER, width=line + 2 * max(1, line // 3), joint="curve")
    canvas.line(closed, fill=colour, width=line, joint="curve")


def _draw_frame(canvas: ImageDraw.ImageDraw, frame: tuple[int, int, int, int], colour: Colour, line: int) -> None:
    """A line just inside the box, so that boxes at the border of the picture stay whole, with a white edge within."""
    x0, y0, x1, y1 = frame
    x1, y1 = max(x0, x1), max(y0, y1)
    if min(x1 - x0, y1 - y0) > 4 * line:
        inner = (x0 + line, y0 + line, x1 - line, y1 - line)
        canvas.rectangle(inner, outline=_PAPER, width=max(1, line // 3))
    canvas.rectangle((x0, y0, x1, y1), outline=colour, width=line)


def _draw_label(
    canvas: ImageDraw.ImageDraw,
    frame: tuple[int, int, int, int],
    label: str,
    colour: Colour,
    letters: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    line: int,
) -> None:
    """The label on a plate of the line's colour: above the box where there is room, else inside its top edge."""
    pad = line + 1
    left, top, right, bottom = canvas.textbbox((0, 0), label, font=letters)
    plate_width, plate_height = int(right - left) + 2 * pad, int(bottom - top) + 2 * pad
    width, height = canvas.im.size
    x = max(0, min(frame[0], width - plate_width))
    y = frame[1] - plate_height if frame[1] >= plate_height else max(0, min(frame[1], height - plate_height))
    canvas.rectangle((x, y, x + plate_width - 1, y + plate_height - 1), fill=colour)
    canvas.text((x + pad - left, y + pad - top), label, font=letters, fill=ink_on(colour))
