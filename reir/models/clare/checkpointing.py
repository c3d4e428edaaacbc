"""Gradient checkpointing: what a layer computes is made again for the backward pass instead of kept."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def run_layer(layer: nn.Module, *arguments: Any, checkpointing: bool, **named: Any) -> Tensor:
    """The layer's output; with ``checkpointing`` and gradients, only its inputs stay in memory.

    Outputs and gradients are the same: no layer that goes through here has dropout or running statistics.
    """
    result: Tensor
    if checkpointing and torch.is_grad_enabled():
        result = checkpoint(layer, *arguments, use_reentrant=False, preserve_rng_state=False, **named)
    else:
        result = layer(*arguments, **named)
    return result
