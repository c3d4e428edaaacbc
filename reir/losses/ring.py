"""Features of other processes, one process at a time, with gradients that find their way home."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor


def ring_blocks(features: Tensor) -> Iterator[Tensor]:
    """The ``features`` (N_r, D) of every other process r, one after the other; their gradients reach process r.

    The processes stand in a ring and each hands on what it holds to the next, so that nobody ever holds more than one
    block of others' features beside its own (the exchange of SigLIP's loss, Zhai et al. 2023, section 3.3, by
    neighbours). In the backward pass the gradients of a block travel the same way back, and each process adds its part.
    The number of features may differ, also be 0. Every process must use every block in its loss, and call backward.
    """
    count, rank = dist.get_world_size(), dist.get_rank()
    own = torch.tensor([len(features)], device=features.device)
    sizes = [torch.zeros_like(own) for _ in range(count)]
    dist.all_gather(sizes, own)
    lengths = [int(size) for size in sizes]
    # One length for all, at least 1: who sends how much then needs no agreement at every step.
    held = F.pad(features, (0, 0, 0, max(1, *lengths) - len(features)))
    for step in range(1, count):
        held = _HandOn.apply(held)
        yield held[: lengths[(rank - step) % count]]


class _HandOn(torch.autograd.Function):
    """Give a tensor to the next process and take the previous one's; gradients go the other way."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:  # noqa: ARG004
        return _exchange(tensor, step=1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        return _exchange(gradient, step=-1)


def _exchange(tensor: Tensor, *, step: int) -> Tensor:
    count, rank = dist.get_world_size(), dist.get_rank()
    received = torch.empty_like(tensor, memory_format=torch.contiguous_format)
    messages = [
        dist.P2POp(dist.isend, tensor.contiguous(), (rank + step) % count),
        dist.P2POp(dist.irecv, received, (rank - step) % count),
    ]
    for request in dist.batch_isend_irecv(messages):
        request.wait()
    return received
