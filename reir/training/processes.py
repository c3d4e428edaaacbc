"""Several processes, on one machine or more, that train one network: each has batches of its own.

Accelerate says which process this is and on which device it works, whichever way they were started
(``accelerate launch`` or ``torchrun``). Gradients are added up once, after the backward passes of a step, not by
``DistributedDataParallel`` during them: processes have different graphs (one batch has no texts, another no objects),
CLIA's exchange runs within the backward pass, and an accumulated step needs one sum, not several.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec

import torch
import torch.distributed as dist
from torch import Tensor

from reir.errors import MissingPackageError
from reir.models.device import resolve_device

BUCKET = 2**26
"""Numbers in one message, 256 MB of them."""


@dataclass(frozen=True, slots=True)
class Processes:
    """The place of this process among those that train together."""

    device: torch.device
    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes files and logs."""
        return self.rank == 0

    def wait(self) -> None:
        """Return when every process has come here."""
        if self.count > 1:
            dist.barrier()

    def total(self, values: Tensor) -> Tensor:
        """The sum of the processes' ``values``, of one shape, on their device."""
        if self.count == 1:
            return values
        summed = values.to(self.device, copy=True)
        dist.all_reduce(summed)
        return summed

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace every tensor by its sum over the processes, in few messages."""
        if self.count == 1:
            return
        for bucket in _buckets(tensors):
            flat = torch.cat([tensor.flatten() for tensor in bucket])
            dist.all_reduce(flat)
            for tensor, part in zip(bucket, flat.split([tensor.numel() for tensor in bucket]), strict=True):
                tensor.copy_(part.view_as(tensor))


def _buckets(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    buckets: list[list[Tensor]] = [[]]
    filled = 0
    for tensor in tensors:
        if filled and filled + tensor.numel() > BUCKET:
            buckets.append([])
            filled = 0
        buckets[-1].append(tensor)
        filled += tensor.numel()
    return buckets


def join_processes(device: str) -> Processes:
    """The processes that a launcher started, or this one alone; ``device`` is auto, cpu or cuda.

    Raises:
        MissingPackageError: there are several, and Accelerate is not installed.
        UsageError: a device that is not there.
    """
    where = resolve_device(device)
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Processes(where)
    if find_spec("accelerate") is None:
        raise MissingPackageError("accelerate", "train")
    from accelerate import PartialState

    # The first process draws scenes, validates and writes while the others wait.
    state = PartialState(cpu=where.type == "cpu", timeout=timedelta(hours=2))
    return Processes(state.device, state.process_index, state.num_processes)
