"""Scenes as pictures: background, shadows, objects in painter's order, then what the camera does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from reir.data.scenes.backgrounds import background
from reir.data.scenes.places import ELSEWHERE
from reir.data.scenes.recolour import Finish
from reir.data.scenes.scene import Camera, Scene
from reir.data.scenes.shadows import cast_shadow
from reir.data.scenes.sprites import Sprite, place
from reir.types import Box, FloatArray

CAMERA_STREAM = 2
"""Keeps the camera's random numbers apart from those of the background."""
FINISH_STREAM = 3
FINISHES: tuple[tuple[Finish, float], ...] = (("plain", 0.2), ("muted", 0.4), ("outlined", 0.4))
"""How glyphs are drawn elsewhere, and how often; in the usual places they are plain."""
NOBODY = 255
"""Value of ``Rendered.owners`` where the background shows."""
CAMERA_PIXELS = 640
"""Root of the picture's area, in pixels, at which ``Camera.blur`` is counted."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A picture and its truth.

    ``pixels`` (H, W, 3) uint8; ``owners`` (H, W) uint8, the index of the object seen at each pixel or ``NOBODY``;
    ``boxes`` (N, 4) float32 xyxy, the tight box of each object's visible pixels (zeros if none is visible).
    """

    pixels: npt.NDArray[np.uint8]
    owners: npt.NDArray[np.uint8]
    boxes: FloatArray

    def mask(self, index: int) -> npt.NDArray[np.bool_]:
        """The visible pixels of one object, (H, W) bool."""
        visible: npt.NDArray[np.bool_] = self.owners == index
        return visible

    @property
    def masks(self) -> list[npt.NDArray[np.bool_]]:
        """The visible pixels of every object, in the order of ``Scene.objects``."""
        return [self.mask(index) for index in range(len(self.boxes))]


def render(scene: Scene, width: int, height: int) -> Rendered:
    """The scene as a picture of ``width`` x ``height`` pixels, the same bytes for the same arguments.

    Raises:
        KeyError: the scene names an unknown noun, colour or place.
        ValueError: the size is not positive, or there are too many objects.
    """
    if width < 1 or height < 1:
        raise ValueError(f"a picture has a positive size, got {width}x{height}")
    if len(scene.objects) >= NOBODY:
        raise ValueError(f"a scene has fewer than {NOBODY} objects, got {len(scene.objects)}")
    units = scene.size_units
    scale_x, scale_y = width / units[0], height / units[1]
    pixels = background(scene, width, height)
    owners = np.full((height, width), NOBODY, dtype=np.uint8)
    spots: list[tuple[slice, slice] | None] = []
    for index, (item, finish) in enumerate(zip(scene.objects, finishes(scene), strict=True)):
        sprite = place(item, scale_x, scale_y, finish=finish)
        cast_shadow(pixels, sprite, scene)
        spots.append(_paint(pixels, owners, sprite, index))
    boxes = np.array([_mask_box(owners, spot, index) for index, spot in enumerate(spots)], dtype=np.float32).reshape(
        -1, 4
    )
    return Rendered(photograph(pixels, scene.camera, scene.seed), owners, boxes)


def finishes(scene: Scene) -> list[Finish]:
    """How each object of the scene is drawn."""
    if scene.place not in ELSEWHERE:
        return ["plain"] * len(scene.objects)
    rng = np.random.default_rng((scene.seed, FINISH_STREAM))
    drawn = rng.choice(len(FINISHES), len(scene.objects), p=[share for _, share in FINISHES])
    return [FINISHES[number][0] for number in drawn]


def _paint(
    pixels: npt.NDArray[np.uint8], owners: npt.NDArray[np.uint8], sprite: Sprite, index: int
) -> tuple[slice, slice] | None:
    """Draw the sprite over ``pixels`` and ``owners``; returns its rows and columns, None when it is outside."""
    high, wide = sprite.alpha.shape
    y0, x0 = max(sprite.y, 0), max(sprite.x, 0)
    y1, x1 = min(sprite.y + high, pixels.shape[0]), min(sprite.x + wide, pixels.shape[1])
    if y1 <= y0 or x1 <= x0:
        return None
    assert sprite.colour is not None
    cut = slice(y0 - sprite.y, y1 - sprite.y), slice(x0 - sprite.x, x1 - sprite.x)
    spot = slice(y0, y1), slice(x0, x1)
    alpha = sprite.alpha[cut]
    blended = pixels[spot] * (1.0 - alpha[..., None])
    blended += sprite.colour[cut]
    blended += 0.5
    pixels[spot] = np.minimum(blended, 255.0)
    owners[spot][alpha >= 0.5] = index
    return spot


def _mask_box(owners: npt.NDArray[np.uint8], spot: tuple[slice, slice] | None, index: int) -> Box:
    """Tight xyxy box of the pixels that the object owns."""
    if spot is None:
        return 0.0, 0.0, 0.0, 0.0
    mine = owners[spot] == index
    columns = np.flatnonzero(mine.any(axis=0))
    if len(columns) == 0:
        return 0.0, 0.0, 0.0, 0.0
    rows = np.flatnonzero(mine.any(axis=1))
    top, left = spot[0].start, spot[1].start
    return float(left + columns[0]), float(top + rows[0]), float(left + columns[-1] + 1), float(top + rows[-1] + 1)


def photograph(pixels: npt.NDArray[np.uint8], camera: Camera, seed: int) -> npt.NDArray[np.uint8]:
    """The picture as the camera records it: blurred, exposed, tinted and noisy. ``pixels`` may be overwritten."""
    height, width = pixels.shape[:2]
    sigma = camera.blur * (height * width) ** 0.5 / CAMERA_PIXELS
    if sigma > 0.05:
        pixels = np.array(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(sigma)))
    tint = camera.warmth**0.5
    gains = np.array([camera.exposure * tint, camera.exposure, camera.exposure / tint], dtype=np.float32)
    if camera.noise <= 0 and np.all(gains == 1.0):
        return pixels
    rng = np.random.default_rng((seed, CAMERA_STREAM))
    rows = max(1, 2**20 // width)  # in strips: a float copy of 12 megapixels would need 150 MB
    for start in range(0, height, rows):
        strip = pixels[start : start + rows] * gains
        if camera.noise > 0:
            grain = rng.standard_normal(strip.shape, dtype=np.float32)
            grain *= camera.noise
            strip += grain
        strip += 0.5
        np.clip(strip, 0.0, 255.0, out=strip)
        pixels[start : start + rows] = strip
    return pixels


def save_jpeg(rendered: Rendered, path: Path | BinaryIO, quality: int) -> None:
    """Write the picture as a JPEG file of that quality (1 to 95)."""
    Image.fromarray(rendered.pixels).save(path, format="JPEG", quality=quality)
