"""An exponential moving average of a network's weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class WeightAverage:
    """A second network whose weights follow those of the first; its buffers are the first one's.

    The average begins short, with (1 + n) / (10 + n) of it kept at the n-th step, until that exceeds ``decay``: the
    random weights of the start are soon forgotten.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False)
        self._decay = decay
        self._followed = network

    @torch.no_grad()
    def update(self, steps: int) -> None:
        """Follow the weights after the ``steps``-th step of the run."""
        kept = min(self._decay, (1 + steps) / (10 + steps))
        mine: list[Tensor] = list(self.network.parameters())
        theirs: list[Tensor] = [parameter.detach() for parameter in self._followed.parameters()]
        torch._foreach_lerp_(mine, theirs, 1 - kept)
        for buffer, other in zip(self.network.buffers(), self._followed.buffers(), strict=True):
            buffer.copy_(other)
