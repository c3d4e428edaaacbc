"""Stored pixels to network input."""

from __future__ import annotations

import torch
from torch import Tensor


def normalise_pixels(pixels: Tensor) -> Tensor:
    """Images (B, 3, H, W) float32 in [-1, 1], channels last in memory, from ``pixels`` (B, H, W, 3) uint8."""
    return pixels.permute(0, 3, 1, 2).to(torch.float32).div_(127.5).sub_(1.0)
