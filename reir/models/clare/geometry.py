"""Where things are inside the network: valid extents, level grids, box parameterisations and sine codes.

Inside, positions are relative to the *picture* (its valid part is [0, 1]), so that padding changes nothing.
``extent`` (B, 2) is the share of the canvas, x then y, that the picture covers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-5


def picture_extent(padding: Tensor) -> Tensor:
    """Share of the canvas that each picture covers, (B, 2) as x, y; from ``padding`` (B, H, W) bool.

    The picture lies in the upper left corner of its canvas.
    """
    height, width = padding.shape[1:]
    valid = ~padding
    return torch.stack([valid[:, 0].sum(-1) / width, valid[:, :, 0].sum(-1) / height], dim=-1)


def level_padding(padding: Tensor, stride: int) -> Tensor:
    """(B, H / stride, W / stride) bool: cells without any pixel of the picture."""
    return F.max_pool2d((~padding).float()[:, None], stride)[:, 0] == 0


def level_centres(shapes: Sequence[tuple[int, int]], device: torch.device) -> Tensor:
    """(S, 2) centres x, y of all cells of levels (H_l, W_l), relative to the canvas; levels in order, row by row."""
    grids = []
    for rows, columns in shapes:
        y = (torch.arange(rows, device=device, dtype=torch.float32) + 0.5) / rows
        x = (torch.arange(columns, device=device, dtype=torch.float32) + 0.5) / columns
        grids.append(torch.stack([x.repeat(rows), y.repeat_interleave(columns)], dim=-1))
    return torch.cat(grids)


def sine_code(positions: Tensor, width: int) -> Tensor:
    """Sine code of positions (..., n) in [0, 1], (..., n * width): ``width`` numbers a coordinate, in order.

    As in DETR: temperature 10,000, sines and cosines interleaved, positions scaled to 2 pi.
    """
    index = torch.arange(width, device=positions.device, dtype=torch.float32)
    frequency = 10000.0 ** (2 * torch.div(index, 2, rounding_mode="floor") / width)
    angle = positions.float()[..., None] * (2 * math.pi) / frequency
    return torch.stack([angle[..., 0::2].sin(), angle[..., 1::2].cos()], dim=-1).flatten(-3)


def inverse_sigmoid(share: Tensor) -> Tensor:
    """log(p / (1 - p)) with p kept EPSILON away from 0 and 1."""
    share = share.clamp(0, 1)
    return torch.log(share.clamp(min=EPSILON) / (1 - share).clamp(min=EPSILON))


def update_logit(boxes_cxcywh: Tensor, delta: Tensor) -> Tensor:
    """Boxes (..., 4) after one refinement in logit space, sigma(sigma^-1(b) + delta), as in Deformable DETR."""
    return torch.sigmoid(inverse_sigmoid(boxes_cxcywh) + delta)


def update_relative(boxes_cxcywh: Tensor, delta: Tensor) -> Tensor:
    """Boxes (..., 4) after one refinement relative to their own size: c + s * delta_c, s * exp(delta_s).

    *Differs from Deformable DETR:* the same shift means the same number of box widths everywhere in the picture and at
    any aspect, which a small network learns faster and tighter.
    """
    centre, size = boxes_cxcywh[..., :2], boxes_cxcywh[..., 2:]
    moved = centre + size * delta[..., :2]
    scaled = size * torch.exp(delta[..., 2:].clamp(-4.0, 4.0))
    return torch.cat([moved.clamp(0, 1), scaled.clamp(1e-3, 1.0)], dim=-1)
