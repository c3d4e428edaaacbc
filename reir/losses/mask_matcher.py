"""Which query a picture's one object belongs to (VATEX, section 3.4)."""

from __future__ import annotations

import torch
from torch import Tensor

from reir.losses.dice import dice_losses
from reir.losses.mask_bce import mask_bce_losses


@torch.no_grad()
def match_masks(
    class_logits: Tensor,
    mask_logits: Tensor,
    targets: Tensor,
    valid: Tensor | None = None,
    *,
    class_cost: float = 2.0,
    mask_cost: float = 5.0,
) -> Tensor:
    """The query (..., B) int64 that costs least: -2 p + 5 (cross entropy + dice).

    With one truth a row, the Hungarian algorithm is this minimum.

    Args:
        class_logits: (..., B, N), perhaps of several layers at once.
        mask_logits: (..., B, N, h, w).
        targets: (B, h, w) in [0, 1].
        valid: (B, h, w), false on padding; or None.
        class_cost: weight of the probability.
        mask_cost: weight of the two costs of masks.
    """
    truth = targets[:, None]
    inside = None if valid is None else valid[:, None]
    masks = mask_bce_losses(mask_logits, truth, inside) + dice_losses(mask_logits, truth, inside)
    cost = mask_cost * masks - class_cost * class_logits.float().sigmoid()
    return torch.nan_to_num(cost, nan=1e4, posinf=1e4, neginf=-1e4).argmin(dim=-1)
