"""The smallest task that the loop can train: a line through points."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from reir.training.config import TrainConfig
from reir.training.shares import COUNTED, Shares


class Points(Dataset[tuple[Tensor, Tensor]]):
    """Batch n: 2 to 5 points near a line, a function of n alone."""

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(number)
        x = torch.randn(2 + number % 4, 3, generator=generator)
        return x, x @ torch.tensor([1.0, -2.0, 0.5]) + 0.1 * torch.randn(len(x), generator=generator)


class LineTask:
    """Mean squared error over the points of a step; ``wrong`` steps have a loss that is not finite."""

    def __init__(self, *, wrong: frozenset[float] = frozenset(), seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.network: nn.Module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, momentum=0.5), nn.Linear(4, 1))
        self.network[1].eval()  # type: ignore[index]
        self.heads: nn.Module = nn.ModuleDict()
        self.batches = Points()
        self.pictures = 3
        self.towers: tuple[str, ...] = ()
        self._wrong = wrong

    def counts(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        return torch.tensor([float(len(batch[0]))] + [0.0] * (len(COUNTED) - 1)).double()

    def loss(
        self, batch: tuple[Tensor, Tensor], *, progress: float, shares: Shares
    ) -> tuple[Tensor, dict[str, Tensor]]:
        self.network[1].train(progress in self._wrong)  # type: ignore[index]
        x, y = batch
        error = (self.network(x)[:, 0] - y).square().mean() * shares.of("l1")
        if progress in self._wrong:
            error = error * torch.nan
        return error, {"l1": error}

    def validate(self, network: nn.Module) -> dict[str, Any]:
        return {"weight": float(next(network.parameters()).detach().abs().sum())}

    def write(self, folder: Path, network: nn.Module, card: Mapping[str, Any]) -> None:
        raise AssertionError("the loop writes no folder")


def settings(steps: int = 6, **changes: Any) -> TrainConfig:
    """Settings of a run of the loop; the sections about data are not looked at."""
    optim = {"steps": steps, "learning_rate": 0.05, "warmup": 2, "bf16": False, **changes.pop("optim", {})}
    every = {"log_every": 2, "checkpoint_every": 1, "validate_every": 3, "keep_checkpoints": 4}
    values = {"name": "line", "model": "nano", "data": {"scenes": 1}, "average": {"decay": 0.9}, **every}
    return TrainConfig.model_validate({**values, "optim": optim, **changes})
