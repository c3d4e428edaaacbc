"""Pictures as the networks take them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from reir.models.towers import Preprocess
from reir.models.vatex.sizes import STRIDE, network_size
from reir.types import Picture

__all__ = ["STRIDE", "as_network_input", "as_prior_input", "network_size", "normalise"]

_MEAN = torch.tensor((0.485, 0.456, 0.406))[:, None, None]
_STD = torch.tensor((0.229, 0.224, 0.225))[:, None, None]


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
