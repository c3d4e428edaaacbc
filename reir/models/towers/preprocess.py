"""Crops to the pixels that a tower was trained on: resizing and normalisation as open_clip does both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

RESIZE_MODES = ("squash", "shortest", "longest")
"""``squash``: both sides to the tower's, whatever the shape. ``shortest``: the shorter side, and the middle is cut out.
``longest``: the longer side, and the rest is filled."""

LONG = 16
"""Times the tower's size beyond which of a crop only the middle is enlarged: the same but for rounding."""

_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How a tower takes a picture: its size (height, width), filter, resize mode, fill and normalisation."""

    size: tuple[int, int]
    mean: tuple[float, float, float] = _MEAN
    std: tuple[float, float, float] = _STD
    interpolation: str = "bicubic"
    resize_mode: str = "squash"
    fill_color: int = 0

    def __post_init__(self) -> None:
        if self.resize_mode not in RESIZE_MODES:
            raise ValueError(f"resize_mode must be one of {', '.join(RESIZE_MODES)}, got {self.resize_mode!r}")

    @classmethod
    def of_config(
        cls, config: Mapping[str, Any], *, image_size: int | Sequence[int], resize_mode: str | None
    ) -> Preprocess:
        """That of open_clip's ``preprocess_cfg`` or of its record of published weights, perhaps with another resize
        mode than its own.
        """
        return cls(
            size=_pair(image_size),
            mean=_triple(config.get("mean") or _MEAN),
            std=_triple(config.get("std") or _STD),
            # As in open_clip, where any other filter is a kind of augmentation.
            interpolation="bilinear" if config.get("interpolation") == "bilinear" else "bicubic",
            # The last is open_clip's own default.
            resize_mode=resize_mode or str(config.get("resize_mode") or "shortest"),
            fill_color=int(config.get("fill_color") or 0),
        )

    def resize(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The crop (h, w, 3) at the tower's size (H, W, 3), by the steps of ``open_clip.image_transform``.

        Pillow's antialiased filters, 8 bits a channel, sizes rounded as torchvision rounds them.
        """
        image = Image.fromarray(pixels)
        height, width = self.size
        if self.resize_mode == "squash":
            return np.asarray(image.resize((width, height), self._method))
        if self.resize_mode == "shortest" and height == width:
            # torchvision's Resize of one number: the longer side is cut off, not rounded.
            shorter = min(image.size)
            sides = [height if side == shorter else int(height * side / shorter) for side in image.size]
            return self._middle(image, sides[0], sides[1], self._method)
        ratios = (image.width / width, image.height / height)
        ratio = max(ratios) if self.resize_mode == "longest" else min(ratios)
        sides = [max(1, round(image.width / ratio)), max(1, round(image.height / ratio))]
        if self.resize_mode == "shortest":
            # open_clip leaves its filter at bicubic where a picture is fitted to a target that is not square.
            return self._middle(image, sides[0], sides[1], Image.Resampling.BICUBIC)
        return self._centre(image.resize((sides[0], sides[1]), self._method))

    def _middle(self, image: Image.Image, width: int, height: int, method: Image.Resampling) -> npt.NDArray[np.uint8]:
        """The middle (H, W, 3) of an image scaled to a size."""
        if max(width, height) <= max(LONG * max(self.size), *image.size):
            return self._centre(image.resize((width, height), method))
        # Of a strip one pixel wide the whole would be hundreds of megabytes.
        spans = [
            _span(side, scaled, wanted)
            for side, scaled, wanted in zip(image.size, (width, height), reversed(self.size), strict=True)
        ]
        (left, right, x0, x1), (top, bottom, y0, y1) = spans
        strip = image.crop((left, top, right, bottom))
        return np.asarray(strip.resize((self.size[1], self.size[0]), method, box=(x0, y0, x1, y1)))

    @property
    def _method(self) -> Image.Resampling:
        return Image.Resampling.BILINEAR if self.interpolation == "bilinear" else Image.Resampling.BICUBIC

    def _centre(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        """The middle (H, W, 3) of an image, filled where it is smaller."""
        height, width = self.size
        pixels = np.asarray(image)
        missing = (max(height - image.height, 0), max(width - image.width, 0))
        if any(missing):
            around = [(side // 2, (side + 1) // 2) for side in missing]
            pixels = np.pad(pixels, [*around, (0, 0)], constant_values=self.fill_color)
        top, left = round((pixels.shape[0] - height) / 2.0), round((pixels.shape[1] - width) / 2.0)
        return pixels[top : top + height, left : left + width]


def _span(side: int, scaled: int, wanted: int) -> tuple[int, int, float, float]:
    """Where the middle ``wanted`` of ``scaled`` pixels lies in a side: from, to with the filter's reach, and within."""
    pixel = side / scaled
    start = round((scaled - wanted) / 2.0)
    reach = 3  # bicubic's, where it enlarges, is two pixels
    low, high = start * pixel, (start + wanted) * pixel
    first, last = max(math.floor(low) - reach, 0), min(math.ceil(high) + reach, side)
    return first, last, low - first, min(high - first, last - first)


def _pair(size: int | Sequence[int]) -> tuple[int, int]:
    if isinstance(size, int):
        return size, size
    height, width = (size[0], size[-1])
    return int(height), int(width)


def _triple(values: float | Sequence[float]) -> tuple[float, float, float]:
    if isinstance(values, int | float):
        return (float(values),) * 3
    red, green, blue = values
    return float(red), float(green), float(blue)
