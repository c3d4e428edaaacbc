"""Keeping every relation expert in use."""

from __future__ import annotations

from torch import Tensor


def gate_balance_loss(gates: Tensor) -> Tensor:
    """N_r times the sum of the squared mean gates: 1 when experts are used equally, N_r when one takes all.

    ``gates`` (Q, N_r) softmax values before the top-k (paper, equation 2).
    """
    if gates.numel() == 0:
        return gates.sum()
    return gates.shape[1] * gates.mean(dim=0).square().sum()
