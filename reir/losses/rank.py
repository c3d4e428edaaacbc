"""The right object among all others, for every expression."""

from __future__ import annotations

import torch
from torch import Tensor


def rank_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """-log of the softmax share of the true objects among all that are true or false, mean over expressions.

    ``logits`` and ``labels`` (Q, N); a label is 1 true, -1 false, 0 left out. Expressions that are true of nothing
    here say nothing. *Not in the paper:* CLIA asks of each pair by itself whether it fits; a search asks which object
    fits best, and the gradient of this loss goes to the nearest wrong ones.
    """
    true, known = labels > 0, labels != 0
    rows = true.any(dim=1)
    logits, true, known = logits[rows], true[rows], known[rows]
    if len(logits) == 0:
        return logits.sum()
    least = torch.finfo(logits.dtype).min
    right = logits.masked_fill(~true, least).logsumexp(dim=1)
    return (logits.masked_fill(~known, least).logsumexp(dim=1) - right).mean()
