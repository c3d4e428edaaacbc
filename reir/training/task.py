"""What the loop trains: anything with modules, numbered batches, a loss and a way to be measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from torch import Tensor, nn
from torch.utils.data import Dataset

from reir.training.shares import Shares

B = TypeVar("B")


class Task(Protocol[B]):
    """A network with its data. Everything that a batch holds is a function of its number and the run's seed."""

    @property
    def network(self) -> nn.Module:
        """The network that the run is for; its moving average is taken, and it is what ships."""
        ...

    @property
    def heads(self) -> nn.Module:
        """What is trained beside it and left behind at the end."""
        ...

    @property
    def towers(self) -> tuple[str, ...]:
        """How the names of pretrained parts of the network begin, which learn at ``optim.tower_factor``."""
        ...

    @property
    def batches(self) -> Dataset[B]:
        """Batch n of the run. A step of P processes and A batches each takes the next A x P."""
        ...

    @property
    def pictures(self) -> int:
        """Pictures of a batch."""
        ...

    def counts(self, batch: B) -> Tensor:
        """What the batch's losses are divided by, float64, in the order of ``shares.COUNTED``."""
        ...

    def loss(self, batch: B, *, progress: float, shares: Shares) -> tuple[Tensor, dict[str, Tensor]]:
        """The batch's share of its step's loss, and the parts of it; ``progress`` in [0, 1] is that of the run."""
        ...

    def validate(self, network: nn.Module) -> dict[str, Any]:
        """How the network does, as plain JSON values; empty where there is nothing to measure on."""
        ...

    def write(self, folder: Path, network: nn.Module, card: Mapping[str, Any]) -> None:
        """Write the network as a model folder; ``card`` says what ``model_card`` wants to know of the run."""
        ...
