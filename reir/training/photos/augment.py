"""How a photograph is changed on its way into a batch (paper, appendix A.1).

Multi-scale resizing, mirroring, a random window (scale jitter, as DETR's) and jitter of brightness, contrast and
saturation. *Differs from the paper:* the colour jitter leaves the hue alone, because expressions name colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance

from reir.errors import ImageUnreadableError
from reir.imaging import decode_picture
from reir.training.photos.config import PhotoConfig
from reir.types import FloatArray


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one picture, in this order: ``window`` (x0, y0, x1, y1, pixels of the upright original) is cut
    out, mirrored if ``flip``, resized to ``size`` (width, height), and jittered by the three factors.
    """

    window: tuple[int, int, int, int]
    flip: bool
    size: tuple[int, int]
    brightness: float
    contrast: float
    saturation: float


def draw_change(
    width: int, height: int, config: PhotoConfig, rng: np.random.Generator, *, flip: bool, crop: bool
) -> Change:
    """A change of a picture of this size; ``flip`` and ``crop`` have been decided, the rest is drawn."""
    window = (0, 0, width, height)
    shares = rng.uniform(*config.crop_side, size=2)
    offsets = rng.random(2)
    if crop:
        w, h = max(1, round(width * shares[0])), max(1, round(height * shares[1]))
        x, y = int(offsets[0] * (width - w + 1)), int(offsets[1] * (height - h + 1))
        window = (x, y, x + w, y + h)
    low, high = config.short_side
    sides = np.arange(low, high + 1, config.short_side_step)
    size = resized(window[2] - window[0], window[3] - window[1], int(rng.choice(sides)), config.long_side)
    factors = 1 + rng.uniform(-1, 1, size=3) * (config.brightness, config.contrast, config.saturation)
    return Change(window, flip, size, *(float(factor) for factor in factors))


def resized(width: int, height: int, short: int, long: int) -> tuple[int, int]:
    """The size whose shorter side is ``short``, or less where the longer one would exceed ``long``."""
    scale = min(short / min(width, height), long / max(width, height))
    return max(1, min(long, round(width * scale))), max(1, min(long, round(height * scale)))


def change_boxes(boxes: FloatArray, change: Change, visible: float) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Boxes (N, 4) xyxy of the original as normalised cxcywh of the changed picture, and which of them stay (N,).

    A box stays if at least the share ``visible`` of its area lies in the window; it is cut to it.
    """
    x0, y0, x1, y1 = change.window
    cut = boxes.clip([x0, y0, x0, y0], [x1, y1, x1, y1])
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    left = (cut[:, 2:] - cut[:, :2]).prod(axis=1)
    inside = (cut - (x0, y0, x0, y0)) / (x1 - x0, y1 - y0, x1 - x0, y1 - y0)
    if change.flip:
        inside[:, [0, 2]] = 1 - inside[:, [2, 0]]
    cxcywh = np.concatenate([(inside[:, :2] + inside[:, 2:]) / 2, inside[:, 2:] - inside[:, :2]], axis=1)
    return cxcywh.astype(np.float32), (left > 0) & (left >= visible * area)


def changed_pixels(path: Path, width: int, height: int, change: Change) -> npt.NDArray[np.uint8]:
    """The changed picture (h, w, 3) uint8 of a file that should be ``width`` x ``height`` upright.

    Raises:
        ImageUnreadableError: the file is damaged, or of another size than its boxes are for.
    """
    x0, y0, x1, y1 = change.window
    scale = max(change.size[0] / (x1 - x0), change.size[1] / (y1 - y0))
    picture = decode_picture(path, max_side=max(1, round(scale * max(width, height)))).picture
    if (picture.width, picture.height) != (width, height):
        raise ImageUnreadableError(
            path, f"is {picture.width}x{picture.height} upright, and its boxes are for {width}x{height}"
        )
    image = Image.fromarray(picture.pixels)
    across, down = image.width / width, image.height / height
    window = (x0 * across, y0 * down, x1 * across, y1 * down)
    enlarged = change.size[0] * change.size[1] > (window[2] - window[0]) * (window[3] - window[1])
    if enlarged:  # The fewer pixels are jittered: most of COCO's pictures are enlarged.
        image = _jittered(image, change)
    if change.size != image.size or change.window != (0, 0, width, height):
        image = image.resize(change.size, Image.Resampling.BILINEAR, box=window)
    if change.flip:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(image if enlarged else _jittered(image, change))


def _jittered(image: Image.Image, change: Change) -> Image.Image:
    for enhance, factor in (
        (ImageEnhance.Brightness, change.brightness),
        (ImageEnhance.Contrast, change.contrast),
        (ImageEnhance.Color, change.saturation),
    ):
        if factor != 1.0:
            image = enhance(image).enhance(factor)
    return image
