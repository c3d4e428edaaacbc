"""Multi-scale deformable attention (Deformable DETR, section 4.1) in plain torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def sample_level(value: Tensor, shape: tuple[int, int], locations: Tensor, weights: Tensor) -> Tensor:
    """(B, Q, h * c): for each head the weighted sum of P bilinear samples of one level; zero outside the map.

    ``value`` (B, H W, h, c) is the level of ``shape`` (H, W) row by row; ``locations`` (B, Q, h, P, 2) float32 are
    x, y in [0, 1] of the canvas; ``weights`` (B, Q, h, P) float32. Taken by ``gather_samples`` where the samples touch
    fewer rows than there are, else by ``grid_samples``: the same sum.
    """
    touched = 4 * locations.shape[1] * locations.shape[3]
    sample = gather_samples if touched <= value.shape[1] else grid_samples
    return sample(value, shape, locations, weights)


def grid_samples(value: Tensor, shape: tuple[int, int], locations: Tensor, weights: Tensor) -> Tensor:
    """``sample_level`` through ``grid_sample`` in float32; best for dense queries."""
    batch, _, heads, channels = value.shape
    queries, points = locations.shape[1], locations.shape[3]
    grid = (2 * locations - 1).transpose(1, 2).flatten(0, 1)  # (B h, Q, P, 2)
    plane = value.float().permute(0, 2, 3, 1).reshape(batch * heads, channels, *shape)
    samples = F.grid_sample(plane, grid, padding_mode="zeros", align_corners=False)  # (B h, c, Q, P)
    share = weights.transpose(1, 2).reshape(batch * heads, queries, points, 1)
    result = samples.permute(0, 2, 1, 3) @ share  # (B h, Q, c, 1)
    return result.view(batch, heads, queries, channels).transpose(1, 2).flatten(2)


def gather_samples(value: Tensor, shape: tuple[int, int], locations: Tensor, weights: Tensor) -> Tensor:
    """``sample_level`` by gathering the four corners of each point; best for a few queries over a large map.

    The value is read in place and in its own type: no float32 copy of the finest map, no transposition.
    """
    batch, positions, heads, channels = value.shape
    rows, columns = shape
    device = value.device
    size = torch.tensor([columns, rows], dtype=torch.float32, device=device)
    place = locations * size - 0.5
    corner = place.detach().floor()
    fraction = place - corner
    first = (torch.arange(batch, device=device) * positions)[:, None, None, None]
    head = torch.arange(heads, device=device)[:, None]
    index, share = [], []
    for down in (0, 1):
        for right in (0, 1):
            at = corner + torch.tensor([right, down], dtype=torch.float32, device=device)
            inside = ((at >= 0) & (at < size)).all(-1)
            cell = torch.minimum(at.clamp(min=0), size - 1).long()
            index.append((first + cell[..., 1] * columns + cell[..., 0]) * heads + head)
            x = fraction[..., 0] if right else 1 - fraction[..., 0]
            y = fraction[..., 1] if down else 1 - fraction[..., 1]
            share.append(x * y * inside * weights)
    rows_of = torch.stack(index, -1).flatten(3)  # (B, Q, h, 4 P)
    shares = torch.stack(share, -1).flatten(3).to(value.dtype)
    picked = value.reshape(-1, channels).index_select(0, rows_of.flatten()).view(*rows_of.shape, channels)
    return (shares[..., None, :] @ picked).flatten(2)


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
        memory: Sequence[Tensor],
        shapes: Sequence[tuple[int, int]],
        *,
        padding: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """(B, Q, d) from ``queries`` (B, Q, d) and the levels ``memory`` (B, H_l W_l, d) of ``shapes`` (H_l, W_l).

        ``references`` (B, Q, 2) points, or (B, Q, 4) boxes in centre form; both relative to the canvas. Around a point
        the offsets are in cells of each level, around a box in half box sizes over P. ``padding`` (B, H_l W_l) bool.
        """
        batch, count, width = queries.shape
        offsets = self.sampling_offsets(queries).view(batch, count, self.heads, self.levels, self.points, 2)
        weights = self.attention_weights(queries).view(batch, count, self.heads, self.levels * self.points)
        weights = weights.float().softmax(-1).view(batch, count, self.heads, self.levels, self.points)
        total: Tensor | None = None
        for level, (tokens, shape) in enumerate(zip(memory, shapes, strict=True)):
            value = self.value_proj(tokens)
            if padding is not None:
                value = value.masked_fill(padding[level][..., None], 0.0)
            if references.shape[-1] == 2:
                reach = torch.tensor([1.0 / shape[1], 1.0 / shape[0]], device=queries.device)
            else:
                reach = references[:, :, None, None, 2:] * (0.5 / self.points)
            # Places are float32: in bfloat16 they would be off by pixels.
            locations = references[:, :, None, None, :2].float() + offsets[:, :, :, level].float() * reach
            with torch.autocast(queries.device.type, enabled=False):
                value = value.view(batch, -1, self.heads, width // self.heads)
                part = sample_level(value, shape, locations, weights[:, :, :, level])
            total = part if total is None else total + part
        result: Tensor = self.output_proj(total)
        return result
