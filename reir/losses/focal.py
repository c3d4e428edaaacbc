"""Focal loss over expression-object pairs of one picture (paper, equations 10 and 11)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def sigmoid_focal_loss(logits: Tensor, labels: Tensor, *, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """-alpha_t (1 - p_t)^gamma log p_t summed over pairs and divided by the positives.

    ``logits`` and ``labels`` have one shape; a label is 1 true, -1 false, 0 ignored. alpha weighs the positives and
    1 - alpha the negatives (Lin et al. 2017).
    """
    return focal_sum(logits, labels, alpha=alpha, gamma=gamma) / (labels > 0).sum().clamp(min=1)


def focal_sum(logits: Tensor, labels: Tensor, *, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """``sigmoid_focal_loss`` before the division."""
    positive = labels > 0
    loss = F.binary_cross_entropy_with_logits(logits, positive.to(logits.dtype), reduction="none")
    p_t = torch.exp(-loss)
    weight = torch.where(positive, alpha, 1 - alpha) * (1 - p_t) ** gamma
    return (weight * loss * (labels != 0)).sum()
