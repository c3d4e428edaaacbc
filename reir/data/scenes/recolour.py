"""Glyphs in ten colours: the shading stays, the hue is replaced.

A glyph's luminance is stretched over its own range on either side of its mean; a colour is a ramp of three shades
(dark, base, light) indexed by that value. So every glyph shows its full detail in every colour, and its mean colour
stays near the colour's base, even for black and white.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from reir.data.scenes.glyphs import glyph
from reir.data.scenes.scene import GREY
from reir.types import FloatArray

LEAST_RANGE = 56.0
"""Luminance (8-bit levels) on either side of the mean that is mapped to half a ramp, at least."""

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)

RAMPS: dict[str, tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]]] = {
    "red": ((104, 4, 12), (216, 26, 34), (250, 88, 78)),
    "orange": ((168, 70, 0), (250, 128, 14), (255, 190, 108)),
    "yellow": ((168, 124, 0), (252, 214, 26), (255, 244, 150)),
    "green": ((4, 74, 26), (34, 158, 58), (138, 222, 140)),
    "blue": ((8, 34, 112), (34, 94, 220), (132, 182, 255)),
    "purple": ((54, 10, 92), (128, 46, 182), (200, 146, 240)),
    "pink": ((182, 52, 120), (252, 128, 190), (255, 208, 230)),
    "brown": ((48, 24, 8), (118, 68, 32), (190, 140, 96)),
    "black": ((4, 4, 6), (30, 30, 33), (82, 82, 88)),
    "white": ((150, 154, 164), (238, 239, 242), (255, 255, 255)),
}
"""Dark, base and light shade (8-bit sRGB) of every colour."""

RIM: dict[str, tuple[int, int, int]] = {"white": (132, 138, 150), "black": (74, 74, 80)}
"""Colours that would drown in a bright or dark place have a thin rim of this shade."""
RIM_WIDTH = 3
"""Pixels of the glyph, counted inwards from its edge."""

Finish = Literal["plain", "muted", "outlined"]
"""How a glyph is drawn; all but ``plain`` in the shifted split alone. None changes its silhouette."""
GREY_RAMP = ((58, 58, 60), (132, 133, 136), (208, 209, 212))
MUTED = 0.15
"""How far a muted glyph's shades lie towards the grey of their own luminance."""
OUTLINE = (22, 22, 26)
OUTLINE_LIGHT = (244, 244, 240)
"""Of glyphs that are darker than the outline could show on."""
OUTLINE_WIDTH = 4


@lru_cache(maxsize=256)
def _shading(noun: str) -> FloatArray:
    """Shade (h, w) in [0, 1] of the noun's glyph: one half at its mean luminance, 0 and 1 at its extremes."""
    pixels = glyph(noun)
    luma = pixels[..., :3].astype(np.float32) @ LUMA
    solid = luma[pixels[..., 3] >= 128]
    middle = float(solid.mean())
    low, high = (float(value) for value in np.percentile(solid, (1, 99)))
    # A side with less range than this is not stretched further, or compression noise would become texture.
    below, above = max(middle - low, LEAST_RANGE), max(high - middle, LEAST_RANGE)
    shade = (luma - middle) / np.where(luma < middle, 2.0 * below, 2.0 * above) + 0.5
    return np.asarray(np.clip(shade, 0.0, 1.0), dtype=np.float32)


@lru_cache(maxsize=512)
def rim(noun: str, width: int = RIM_WIDTH) -> FloatArray:
    """How much of each pixel (h, w) is rim, in [0, 1]: 1 at the edge, 0 inside, and 0 in parts too thin to have one."""
    alpha = glyph(noun)[..., 3]
    window = 2 * width - 1
    inner = Image.fromarray(np.pad(alpha, width)).filter(ImageFilter.MinFilter(window))
    near = inner.filter(ImageFilter.MaxFilter(window + 2))
    inside, thick = (
        np.asarray(mask.filter(ImageFilter.GaussianBlur(1)), dtype=np.float32)[width:-width, width:-width]
        for mask in (inner, near)
    )
    return (1.0 - inside / 255.0) * (thick / 255.0) * (alpha > 0)


def _ramp(colour: str, finish: Finish) -> list[FloatArray]:
    shades = [np.array(shade, dtype=np.float32) for shade in (GREY_RAMP if colour == GREY else RAMPS[colour])]
    if finish == "muted":
        shades = [shade + MUTED * (shade @ LUMA - shade) for shade in shades]
    return shades


@lru_cache(maxsize=4096)
def recoloured(noun: str, colour: str, finish: Finish = "plain") -> npt.NDArray[np.uint8]:
    """The noun's glyph in that colour (or ``GREY``), (h, w, 4) uint8 RGBA, same size as ``glyph(noun)``.

    Raises:
        KeyError: no such noun or colour.
    """
    pixels = glyph(noun)
    dark, base, light = _ramp(colour, finish)
    value = _shading(noun)[..., None]
    tinted = np.where(value < 0.5, dark + (base - dark) * (value * 2.0), base + (light - base) * (value * 2.0 - 1.0))
    if finish == "outlined":
        ink = np.array(OUTLINE_LIGHT if colour in ("black", "brown") else OUTLINE)
        tinted += (ink - tinted) * rim(noun, OUTLINE_WIDTH)[..., None]
    elif colour in RIM:
        share = 0.65 * rim(noun)[..., None]
        tinted += (np.array(RIM[colour], dtype=np.float32) - tinted) * share
    picture = np.empty_like(pixels)
    picture[..., :3] = np.rint(tinted)
    picture[..., 3] = pixels[..., 3]
    picture.setflags(write=False)
    return picture


def nearest_colour(rgb: npt.ArrayLike) -> str:
    """The colour whose base is nearest to ``rgb`` (8-bit sRGB), by distance in the OKLab space.

    Paper: B. Ottosson, "A perceptual color space for image processing", 2020.
    """
    bases = np.array([ramp[1] for ramp in RAMPS.values()])
    distances = np.linalg.norm(oklab(bases) - oklab(np.asarray(rgb)), axis=-1)
    return list(RAMPS)[int(distances.argmin())]


def oklab(rgb: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """OKLab coordinates (..., 3) of 8-bit sRGB colours (..., 3)."""
    encoded = np.asarray(rgb, dtype=np.float64) / 255.0
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    cones = np.cbrt(
        linear
        @ np.array(
            [
                [0.4122214708, 0.2119034982, 0.0883024619],
                [0.5363325363, 0.6806995451, 0.2817188376],
                [0.0514459929, 0.1073969566, 0.6299787005],
            ]
        )
    )
    lab: npt.NDArray[np.float64] = cones @ np.array(
        [
            [0.2104542553, 1.9779984951, 0.0259040371],
            [0.7936177850, -2.4285922050, 0.7827717662],
            [-0.0040720468, 0.4505937099, -0.8086757660],
        ]
    )
    return lab
