"""Projection of backbone maps to one width, and the top-down path to levels finer than the encoder's.

Norms act on single positions, never over a plane, so that padding cannot leak into the picture.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from reir.models.clare.backbone import ConvNorm


def to_tokens(plane: Tensor) -> Tensor:
    """(B, H W, C) from (B, C, H, W); free for channels-last planes."""
    return plane.permute(0, 2, 3, 1).flatten(1, 2)


def to_plane(tokens: Tensor, shape: tuple[int, int]) -> Tensor:
    """(B, C, H, W), channels last in memory, from (B, H W, C)."""
    return tokens.unflatten(1, shape).permute(0, 3, 1, 2)


class Projection(nn.Module):
    """Linear map of one level to ``width`` channels, with a layer norm unless it will be added to another map."""

    def __init__(self, *, channels: int, width: int, norm: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, width)
        self.norm = nn.LayerNorm(width) if norm else nn.Identity()

    def forward(self, plane: Tensor) -> Tensor:
        """Tokens (B, H W, width) of a plane (B, C, H, W)."""
        result: Tensor = self.norm(self.linear(to_tokens(plane)))
        return result


class TopDown(nn.Module):
    """Adds a coarser map to a finer one, at the finer one's resolution, and smooths the sum (Mask2Former, FPN)."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.smooth = ConvNorm(inputs=width, outputs=width)

    def forward(self, fine: Tensor, coarse: Tensor, keep: Tensor | None) -> Tensor:
        """Plane (B, d, H, W) from ``fine`` of that shape and ``coarse`` (B, d, h, w); ``keep`` 0 on padding."""
        fused = fine + F.interpolate(coarse, size=fine.shape[-2:], mode="nearest")
        if keep is not None:
            fused = fused * keep
        return fused + F.relu(self.smooth(fused))
