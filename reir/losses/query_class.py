"""Whether a query is the object that is meant (VATEX, section 3.4: L_cls)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def query_class_loss(class_logits: Tensor, matched: Tensor, *, negative_weight: float = 1.0) -> Tensor:
    """Mean binary cross entropy over all queries, 1 for the matched one of each row and 0 for the others.

    ``class_logits`` (..., N) and ``matched`` (...) int64, of ``match_masks``. ``negative_weight`` weighs the others.
    """
    logits = class_logits.float()
    labels = F.one_hot(matched, logits.shape[-1]).to(logits.dtype)
    weight = labels + (1 - labels) * negative_weight
    return F.binary_cross_entropy_with_logits(logits, labels, weight=weight)
