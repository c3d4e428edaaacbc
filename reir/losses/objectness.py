"""How much of an object a prediction is, whatever anybody asks for."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def objectness_loss(logits: Tensor, targets: Tensor, counted: Tensor | None = None) -> Tensor:
    """Binary cross-entropy of objectness ``logits`` (N,) against soft ``targets`` (N,), over the number of objects.

    A target is 0 for background and 0.5 + 0.5 IoU for a matched prediction, so that of two boxes on one object the
    tighter ranks first. Predictions that are not ``counted`` (N,) bool are left out. The paper has no such head
    (*differs*): an index must choose instances before any query.
    """
    total = F.binary_cross_entropy_with_logits(
        logits, targets, None if counted is None else counted.to(logits.dtype), reduction="sum"
    )
    return total / torch.count_nonzero(targets).clamp(min=1)
