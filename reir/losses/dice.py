"""Dice loss of masks (V-Net, Milletari et al. 2016; Mask2Former)."""

from __future__ import annotations

from torch import Tensor


def dice_losses(logits: Tensor, targets: Tensor, valid: Tensor | None = None) -> Tensor:
    """1 - (2 sum p t + 1) / (sum p + sum t + 1) of each mask, with p = sigmoid(logits).

    ``logits`` (..., h, w); ``targets`` of the same shape or one that expands to it, in [0, 1]; ``valid`` alike: 0 or
    false where a pixel is padding. The result has the leading shape.
    """
    chances, targets = logits.float().sigmoid(), targets.float()
    if valid is not None:
        chances, targets = chances * valid, targets * valid
    shared = (chances * targets).sum(dim=(-2, -1))
    return 1 - (2 * shared + 1) / (chances.sum(dim=(-2, -1)) + targets.sum(dim=(-2, -1)) + 1)


def dice_loss(logits: Tensor, targets: Tensor, valid: Tensor | None = None) -> Tensor:
    """The mean of ``dice_losses`` over all masks; 0 for none."""
    losses = dice_losses(logits, targets, valid)
    return losses.sum() / max(losses.numel(), 1)
