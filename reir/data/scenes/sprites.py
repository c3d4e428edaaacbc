"""Glyphs turned, mirrored and scaled to their place in a picture, from a pyramid of cached sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from reir.data.scenes.glyphs import glyph
from reir.data.scenes.recolour import Finish, recoloured
from reir.data.scenes.scene import SceneObject

LEVELS = (12, 16, 22, 32, 45, 64, 90, 128, 512)
"""Longer sides of the cached sizes. The last is enlarged beyond the font's bitmaps, for large pictures."""


@dataclass(frozen=True, slots=True)
class Sprite:
    """An object's pixels at its place: ``x, y`` is the picture's pixel where the top-left corner falls.

    ``colour`` (h, w, 3) float32 is multiplied by ``alpha`` (h, w) float32 in [0, 1]. Parts may lie outside the picture.
    """

    x: int
    y: int
    colour: npt.NDArray[np.float32] | None
    alpha: npt.NDArray[np.float32]


def _level(extent: float) -> int:
    """The smallest cached size that is not smaller than ``extent`` pixels."""
    return next((level for level in LEVELS if level >= extent), LEVELS[-1])


def _sharpened(alpha: Image.Image) -> Image.Image:
    """An enlarged alpha mask with edges as narrow as before it was enlarged."""
    return alpha.point([min(255, max(0, round(127.5 + (value - 127.5) * 2.5))) for value in range(256)])


def _resized(picture: Image.Image, level: int) -> Image.Image:
    """The glyph with its longer side at ``level`` pixels and a transparent margin of one pixel."""
    scale = level / max(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    if scale > 1.5:
        enlarged = picture.resize(size, Image.Resampling.BICUBIC)
        enlarged.putalpha(_sharpened(enlarged.getchannel("A")))
        picture = enlarged
    elif size != picture.size:
        picture = picture.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC)
    framed = Image.new("RGBA", (size[0] + 2, size[1] + 2))
    framed.paste(picture, (1, 1))
    return framed


@lru_cache(maxsize=6144)
def _coloured(noun: str, colour: str, level: int, finish: Finish) -> Image.Image:
    """The recoloured glyph at a level, with premultiplied alpha (mode RGBa), so that it can be resampled."""
    return _resized(Image.fromarray(recoloured(noun, colour, finish)), level).convert("RGBa")


@lru_cache(maxsize=1024)
def _silhouette(noun: str, level: int) -> Image.Image:
    """The glyph's alpha at a level (mode L)."""
    return _resized(Image.fromarray(glyph(noun)), level).getchannel("A")


def place(
    item: SceneObject, scale_x: float, scale_y: float, *, silhouette_only: bool = False, finish: Finish = "plain"
) -> Sprite:
    """The object's sprite in a picture of ``scale_x`` by ``scale_y`` pixels a scene unit."""
    extent = item.extent * (scale_x * scale_y) ** 0.5
    level = _level(extent)
    source = _silhouette(item.noun, level) if silhouette_only else _coloured(item.noun, item.colour, level, finish)
    height, width = glyph(item.noun).shape[:2]
    longer = max(width, height)
    wide, high = item.extent * width / longer * scale_x, item.extent * height / longer * scale_y  # pixels, unrotated
    angle = math.radians(item.rotation)
    cos, sin = math.cos(angle), math.sin(angle)
    half_x = (abs(cos) * wide + abs(sin) * high) / 2
    half_y = (abs(sin) * wide + abs(cos) * high) / 2
    cx, cy = item.cx * scale_x, item.cy * scale_y
    left, top = math.floor(cx - half_x) - 1, math.floor(cy - half_y) - 1
    size = math.ceil(cx + half_x) + 1 - left, math.ceil(cy + half_y) + 1 - top
    # Picture pixel (u, v), measured from the centre, is turned back and scaled into the source, as PIL wants it.
    grow_x, grow_y = (source.width - 2) / wide, (source.height - 2) / high
    flip = -1.0 if item.mirrored else 1.0
    a, b = flip * cos * grow_x, -flip * sin * grow_x
    d, e = sin * grow_y, cos * grow_y
    u, v = left - cx, top - cy
    matrix = (a, b, a * u + b * v + source.width / 2, d, e, d * u + e * v + source.height / 2)
    turned = source.transform(size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    pixels = np.asarray(turned, dtype=np.float32)
    if silhouette_only:
        return Sprite(left, top, None, pixels * np.float32(1 / 255))
    return Sprite(left, top, pixels[..., :3], pixels[..., 3] * np.float32(1 / 255))
