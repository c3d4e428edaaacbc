"""Pictures as a chat message takes them: small JPEGs in data URLs."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reir.imaging import Mark, decode_picture, draw_boxes
from reir.types import Box, Picture

_QUALITY = 88
_MARGIN = 0.35
"""A cut shows so much of its box's sides around it: what a thing is often shows in what is next to it."""
_LEAST_CUT = 224


def load_pixels(path: Path, side: int) -> Picture:
    """The picture, upright, at most ``side`` pixels along its longer side.

    Raises:
        ImageUnreadableError: it cannot be decoded.
    """
    return decode_picture(path, max_side=side).picture


def picture_part(picture: Picture, marks: Sequence[Mark] = ()) -> dict[str, Any]:
    """The picture as a part of a message, with marks drawn where some are given."""
    image = draw_boxes(picture, marks) if marks else Image.fromarray(picture.pixels)
    return _part(image)


def cut_part(picture: Picture, box: Box, *, framed: bool = False) -> dict[str, Any]:
    """The surroundings of a box as a part of a message, small ones enlarged; ``framed`` draws the box."""
    scale = picture.pixels.shape[1] / picture.width
    x0, y0, x1, y1 = box
    across, down = (x1 - x0) * _MARGIN, (y1 - y0) * _MARGIN
    left, top = max(0, int((x0 - across) * scale)), max(0, int((y0 - down) * scale))
    right = min(picture.pixels.shape[1], max(left + 2, round((x1 + across) * scale)))
    bottom = min(picture.pixels.shape[0], max(top + 2, round((y1 + down) * scale)))
    left, top = min(left, right - 1), min(top, bottom - 1)
    cut = np.ascontiguousarray(picture.pixels[top:bottom, left:right])
    height, width = cut.shape[:2]
    image = Image.fromarray(cut)
    if max(width, height) < _LEAST_CUT:
        factor = _LEAST_CUT / max(width, height)
        image = image.resize((max(1, round(width * factor)), max(1, round(height * factor))), Image.Resampling.LANCZOS)
    if framed:
        inside = Picture(np.asarray(image), width, height)
        frame = (x0 * scale - left, y0 * scale - top, x1 * scale - left, y1 * scale - top)
        image = draw_boxes(inside, [Mark(frame)])
    return _part(image)


def _part(image: Image.Image) -> dict[str, Any]:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}}


def text_part(text: str) -> dict[str, Any]:
    """Words as a part of a message."""
    return {"type": "text", "text": text}
