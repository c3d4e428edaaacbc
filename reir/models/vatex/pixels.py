"""Pictures as the networks take them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from reir.models.towers import Preprocess
from reir.types import Picture

STRIDE = 32
"""Sides of the network's pictures are multiples of it."""
LONGEST = 2.0
"""Times the shorter side, beyond which a longer one is squeezed: strips would take memory without end."""

_MEAN = torch.tensor((0.485, 0.456, 0.406))[:, None, None]
_STD = torch.tensor((0.229, 0.224, 0.225))[:, None, None]


def network_size(width: int, height: int, side: int) -> tuple[int, int]:
    """The size (height, width) at which a picture is looked at: its shorter side ``side``, both multiples of 32.

    *Differs from the paper*, which pads pictures at the short side of 480: here each side is stretched to the nearest
    multiple, by 3% at most at that size, so that no picture is padded.
    """
    scale = side / min(width, height)
    longest = LONGEST * side
    height_, width_ = (min(length * scale, longest) for length in (height, width))
    return tuple(max(STRIDE, round(length / STRIDE) * STRIDE) for length in (height_, width_))  # type: ignore[return-value]


def normalise(pixels: Tensor) -> Tensor:
    """Pictures (..., 3, H, W) of 0 to 255 with ImageNet's mean and deviation taken out, float32."""
    return (pixels.float() / 255 - _MEAN.to(pixels.device)) / _STD.to(pixels.device)


def as_network_input(picture: Picture, size: tuple[int, int]) -> Tensor:
    """A picture resized to (height, width) and normalised, (3, H, W) float32."""
    image = Image.fromarray(picture.pixels).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return normalise(torch.from_numpy(np.array(image)).permute(2, 0, 1))


def as_prior_input(pictures: Sequence[Picture], preprocess: Preprocess, side: int) -> Tensor:
    """Pictures as the frozen CLIP takes them, (P, 3, side, side) float32: squeezed to a square, with its own mean."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (preprocess.mean, preprocess.std))
    squares = [
        np.array(Image.fromarray(picture.pixels).resize((side, side), Image.Resampling.BICUBIC)) for picture in pictures
    ]
    return (torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).float() / 255 - mean) / std
