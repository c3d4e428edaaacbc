"""Supervision of the first stage: a heat map of object centres and a box at each of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from reir.losses.box import box_losses

SHARPNESS = 0.18
"""Standard deviation of a centre's bump, as a share of the object's sides."""


def centre_heat(centres: Tensor, targets_cxcywh: Tensor) -> tuple[Tensor, Tensor]:
    """Heat (S,) in [0, 1] of each position and the object (S,) that it belongs to.

    ``centres`` (S, 2), ``targets_cxcywh`` (G, 4). The heat is a Gaussian of the offset from an object's centre in
    units of the object's sides; the position nearest to a centre has heat 1.
    """
    if len(targets_cxcywh) == 0:
        return centres.new_zeros(len(centres)), centres.new_zeros(len(centres), dtype=torch.int64)
    offset = (centres[:, None] - targets_cxcywh[None, :, :2]) / targets_cxcywh[None, :, 2:].clamp(min=1e-6)
    squared = offset.square().sum(dim=-1)  # (S, G)
    heat = torch.exp(-squared / (2 * SHARPNESS**2))
    heat[squared.argmin(dim=0), torch.arange(len(targets_cxcywh), device=heat.device)] = 1.0
    best, owner = heat.max(dim=1)
    return best, owner


def proposal_losses(
    boxes_cxcywh: Tensor,
    objectness: Tensor,
    valid: Tensor,
    centres: Tensor,
    targets: Sequence[Tensor],
    complete: Tensor | None = None,
) -> Tensor:
    """Heat-map loss and box loss (L1 and GIoU at DETR's weights 5 and 2) of the dense first stage, summed.

    ``boxes_cxcywh`` (B, S, 4), ``objectness`` (B, S) logits, ``valid`` (B, S), ``centres`` (S, 2), ``targets`` one
    (G_b, 4) a picture. The heat map takes CenterNet's penalty-reduced focal loss: beta 4, alpha 2. Boxes are
    regressed where the heat exceeds 0.6. In a picture that is not ``complete`` (B,) bool, only the centres of its
    objects count: what lies elsewhere may be an object without a box.
    """
    pairs = [centre_heat(centres, target) for target in targets]
    heat = torch.stack([best for best, _ in pairs])
    peak = heat >= 1.0
    log_p = F.logsigmoid(objectness)
    log_not = F.logsigmoid(-objectness)
    p = objectness.sigmoid()
    loss = torch.where(peak, -log_p * (1 - p) ** 2, -log_not * p**2 * (1 - heat) ** 4)
    objects = peak.sum().clamp(min=1)
    counted = valid if complete is None else valid & (complete[:, None] | peak)
    heat_loss = (loss * counted).sum() / objects
    near = (heat > 0.6) & valid
    truth = torch.cat([target[owner[mask]] for target, (_, owner), mask in zip(targets, pairs, near, strict=True)])
    l1, giou = box_losses(boxes_cxcywh[near], truth)
    return heat_loss + 5.0 * l1 + 2.0 * giou
