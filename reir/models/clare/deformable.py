"""Multi-scale deformable attention (Deformable DETR, section 4.1) in plain torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def sample_levels(value: Tensor, shapes: Sequence[tuple[int, int]], locations: Tensor, weights: Tensor) -> Tensor:
    """(B, Q, h * c): for each head the weighted sum of bilinear samples of all levels; zero outside the maps.

    ``value`` (B, S, h, c) holds the levels (H_l, W_l) of ``shapes`` one after the other, row by row; ``locations``
    (B, Q, h, L, P, 2) are x, y in [0, 1] of the canvas; ``weights`` (B, Q, h, L, P).
    """
    batch, _, heads, channels = value.shape
    queries, levels, points = locations.shape[1], locations.shape[3], locations.shape[4]
    grids = (2 * locations - 1).transpose(1, 2).flatten(0, 1)  # (B h, Q, L, P, 2)
    maps = value.split([rows * columns for rows, columns in shapes], dim=1)
    samples = []
    for level, (rows, columns) in enumerate(shapes):
        plane = maps[level].permute(0, 2, 3, 1).reshape(batch * heads, channels, rows, columns)
        samples.append(F.grid_sample(plane, grids[:, :, level], padding_mode="zeros", align_corners=False))
    flat = weights.transpose(1, 2).reshape(batch * heads, 1, queries, levels * points)
    result = (torch.cat(samples, dim=-1) * flat).sum(-1)  # (B h, c, Q)
    return result.view(batch, heads * channels, queries).transpose(1, 2)


class DeformableAttention(nn.Module):
    """Each query looks at a few learned points around its reference, on every level."""

    def __init__(self, *, width: int, heads: int, levels: int, points: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width must be a multiple of heads, got {width} and {heads}")
        self.heads, self.levels, self.points = heads, levels, points
        self.sampling_offsets = nn.Linear(width, heads * levels * points * 2)
        self.attention_weights = nn.Linear(width, heads * levels * points)
        self.value_proj = nn.Linear(width, width)
        self.output_proj = nn.Linear(width, width)
        self._start_on_a_star()

    def _start_on_a_star(self) -> None:
        """Offsets start on rays, one direction a head and one distance a point; weights start equal."""
        angle = torch.arange(self.heads, dtype=torch.float32) * (2 * math.pi / self.heads)
        rays = torch.stack([angle.cos(), angle.sin()], -1)
        rays = rays / rays.abs().amax(-1, keepdim=True)
        distance = torch.arange(1, self.points + 1, dtype=torch.float32)
        grid = rays[:, None, None] * distance[None, None, :, None]  # (h, 1, P, 2)
        nn.init.zeros_(self.sampling_offsets.weight)
        with torch.no_grad():
            self.sampling_offsets.bias.copy_(grid.expand(-1, self.levels, -1, -1).reshape(-1))
        nn.init.zeros_(self.attention_weights.weight)
        nn.init.zeros_(self.attention_weights.bias)
        for layer in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        queries: Tensor,
        references: Tensor,
        memory: Tensor,
        shapes: Sequence[tuple[int, int]],
        *,
        memory_padding: Tensor | None = None,
    ) -> Tensor:
        """(B, Q, d) from ``queries`` (B, Q, d), ``memory`` (B, S, d) and ``memory_padding`` (B, S) bool.

        ``references`` (B, Q, 2) points, or (B, Q, 4) boxes in centre form; both relative to the canvas. Around a point
        the offsets are in cells of each level, around a box in half box sizes over P.
        """
        batch, count, width = queries.shape
        value = self.value_proj(memory)
        if memory_padding is not None:
            value = value.masked_fill(memory_padding[..., None], 0.0)
        value = value.view(batch, -1, self.heads, width // self.heads)
        offsets = self.sampling_offsets(queries).view(batch, count, self.heads, self.levels, self.points, 2)
        weights = self.attention_weights(queries).view(batch, count, self.heads, self.levels * self.points)
        weights = weights.float().softmax(-1).view(batch, count, self.heads, self.levels, self.points)
        centres = references[:, :, None, None, None, :2].float()
        if references.shape[-1] == 2:
            cells = torch.tensor([[columns, rows] for rows, columns in shapes], device=queries.device)
            locations = centres + offsets / cells[:, None, :]
        else:
            locations = centres + offsets / self.points * references[:, :, None, None, None, 2:] * 0.5
        # Sampling runs in float32: bilinear weights in bfloat16 would move boxes by pixels.
        with torch.autocast(queries.device.type, enabled=False):
            sampled = sample_levels(value.float(), shapes, locations.float(), weights)
        result: Tensor = self.output_proj(sampled)
        return result
