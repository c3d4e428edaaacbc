"""Soft shadows: where a thing touches the ground, and behind a thing that hangs on a wall."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from reir.data.scenes.places import PLACE_BY_NAME, ground
from reir.data.scenes.scene import Scene
from reir.data.scenes.sprites import Sprite

CONTACT_STRENGTH = {"indoor": 0.5, "outdoor": 0.42}
WALL_STRENGTH = 0.3


def cast_shadow(pixels: npt.NDArray[np.uint8], sprite: Sprite, scene: Scene) -> None:
    """Darken ``pixels`` where the sprite's shadow falls. What floats in the open air casts none."""
    rows = np.flatnonzero((sprite.alpha >= 0.5).any(axis=1))
    if len(rows) == 0:
        return
    group = PLACE_BY_NAME[scene.place].group
    foot = sprite.y + int(rows[-1]) + 1
    if foot >= ground(scene)[0] / scene.size_units[1] * pixels.shape[0]:
        _contact(pixels, sprite, rows, CONTACT_STRENGTH[group])
    elif group == "indoor":
        _behind(pixels, sprite, scene)


def _contact(pixels: npt.NDArray[np.uint8], sprite: Sprite, rows: npt.NDArray[np.intp], strength: float) -> None:
    """A flat ellipse under the sprite's lowest part."""
    high = int(rows[-1] - rows[0]) + 1
    foot_rows = sprite.alpha[rows[-1] + 1 - max(1, round(0.16 * high)) : rows[-1] + 1]
    columns = np.flatnonzero((foot_rows >= 0.5).any(axis=0))
    all_columns = np.flatnonzero((sprite.alpha >= 0.5).any(axis=0))
    wide = float(all_columns[-1] - all_columns[0] + 1)
    centre = sprite.x + (float(columns[0] + columns[-1]) + 1) / 2
    radius_x = 0.5 * (0.65 * float(columns[-1] - columns[0] + 1) + 0.45 * wide)
    radius_y = 0.14 * radius_x + 0.05 * high
    middle = sprite.y + float(rows[-1]) + 1 - 0.25 * radius_y
    y0, y1 = max(int(middle - radius_y), 0), min(int(middle + radius_y) + 2, pixels.shape[0])
    x0, x1 = max(int(centre - radius_x), 0), min(int(centre + radius_x) + 2, pixels.shape[1])
    if y1 <= y0 or x1 <= x0:
        return
    down = ((np.arange(y0, y1, dtype=np.float32) + 0.5 - middle) / radius_y) ** 2
    across = ((np.arange(x0, x1, dtype=np.float32) + 0.5 - centre) / radius_x) ** 2
    inside = np.maximum(1.0 - (down[:, None] + across), np.float32(0.0))
    _darken(pixels, (slice(y0, y1), slice(x0, x1)), np.float32(strength) * inside ** np.float32(1.3))


def _behind(pixels: npt.NDArray[np.uint8], sprite: Sprite, scene: Scene) -> None:
    """The sprite's blurred silhouette, moved down and away from the light."""
    high, wide = sprite.alpha.shape
    extent = max(high, wide)
    step = max(1, extent // 48)  # a blurred shadow needs no more detail than this
    spread = 0.05 * extent / step
    margin = int(2 * spread) + 1
    # Even seeds are lit from the left, odd ones from the right.
    shift = (0.05 if scene.seed % 2 == 0 else -0.05) * extent
    small = Image.fromarray(np.rint(sprite.alpha * 255).astype(np.uint8)).reduce(step)
    framed = Image.new("L", (small.width + 2 * margin, small.height + 2 * margin))
    framed.paste(small, (margin, margin))
    soft = framed.filter(ImageFilter.GaussianBlur(spread))
    if step > 1:
        soft = soft.resize((soft.width * step, soft.height * step), Image.Resampling.BILINEAR)
    left, top = round(sprite.x - margin * step + shift), round(sprite.y - margin * step + 0.06 * extent)
    y0, y1 = max(top, 0), min(top + soft.height, pixels.shape[0])
    x0, x1 = max(left, 0), min(left + soft.width, pixels.shape[1])
    if y1 <= y0 or x1 <= x0:
        return
    shade = np.asarray(soft, dtype=np.float32)[y0 - top : y1 - top, x0 - left : x1 - left]
    _darken(pixels, (slice(y0, y1), slice(x0, x1)), shade * np.float32(WALL_STRENGTH / 255))


def _darken(pixels: npt.NDArray[np.uint8], spot: tuple[slice, slice], share: npt.NDArray[np.float32]) -> None:
    """Multiply the spot by ``1 - share``."""
    pixels[spot] = pixels[spot] * (1.0 - share[..., None]) + 0.5
