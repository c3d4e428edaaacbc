"""Sine and cosine of places in a map, as DETR has them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_TEMPERATURE = 10_000.0


def sine_positions(padding: Tensor, channels: int) -> Tensor:
    """The code (B, channels, H, W) float32 of each place: rows in the first half of the channels, columns in the other.

    Places are counted over what is no padding, (B, H, W) bool, and scaled so that each picture goes from 0 to 2 pi;
    ``channels`` is a multiple of 4.
    """
    codes = []
    for axis in (1, 2):
        place = (~padding).float().cumsum(axis)
        last = place.amax(axis, keepdim=True)
        codes.append(_waves(place / (last + 1e-6) * 2 * math.pi, channels // 2))
    return torch.cat(codes, dim=1)


def _waves(places: Tensor, channels: int) -> Tensor:
    """Sines and cosines (B, channels, H, W), taking turns, of falling frequencies."""
    pair = torch.arange(channels // 2, device=places.device)
    angles = places[:, None] / (_TEMPERATURE ** (2 * pair / channels))[:, None, None]
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1, 2)
