"""The small network that moves an ellipse: one for each, all worked on together."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

SIZES = (64, 128, 128, 5)
"""Section 4.1: nodes of each layer, the learnable tokens first."""


class Perceptrons(nn.Module):
    """B independent networks of learnable tokens, each giving the shift (5,) of one ellipse.

    Paper: section 3.2, figure 3, and section 4.1. All start from the same numbers, so that what becomes of an ellipse
    does not depend on those beside it. *Differs from the paper*: the last layer starts at zero, because with torch's
    usual numbers the first ellipse would already lie elsewhere than the initial one.

    Args:
        count: B.
        seed: of the tokens and weights.
    """

    def __init__(self, *, count: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.tokens = nn.Parameter(torch.randn(1, 1, SIZES[0], generator=generator).repeat(count, 1, 1))
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for inputs, outputs in pairwise(SIZES):
            bound = 0.0 if outputs == SIZES[-1] else 1 / math.sqrt(inputs)
            for kept, shape in ((self.weights, (inputs, outputs)), (self.biases, (1, outputs))):
                start = (torch.rand(1, *shape, generator=generator) * 2 - 1) * bound
                kept.append(nn.Parameter(start.repeat(count, 1, 1)))

    def forward(self) -> Tensor:
        """The shifts (B, 5), each number between -1 and 1: the tanh of half the last layer's output."""
        rows: Tensor = self.tokens  # (B, 1, 64)
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            rows = torch.baddbmm(bias, rows, weight)
            if number < len(self.weights) - 1:
                rows = nn.functional.leaky_relu(rows)
        return torch.tanh(rows[:, 0] * 0.5)
