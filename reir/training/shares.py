"""What a step's losses are divided by, so that many small batches make the gradient of one large one.

A loss of a batch is a sum over its objects, texts or positive pairs, divided by their number. For a step of several
batches, accumulated on one process or spread over more, the number is that of them all: each batch's loss counts with
its share. Then the gradients of a step add up to those of one large batch, but for what a batch does within itself:
CLIA compares texts with the objects of their own batch (and of the batches of the other processes), the gate balance
squares a mean, the dense first stage divides by its own positions, and batch norm, where there is one, has the
statistics of the batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reir.training.batch import Batch
from reir.training.config import CliaConfig

COUNTED = ("objects", "positives", "compared", "texts", "relations")
_DIVIDED_BY = {
    "focal": "positives",
    "clia": "compared",
    "parse": "texts",
    "mcc": "texts",
    "balance": "texts",
    "relation": "relations",
}
"""What a part of the loss is divided by, where it is not objects."""


def count_batch(batch: Batch, clia: CliaConfig) -> Tensor:
    """The numbers (5,) float64 of ``COUNTED`` in a batch: positive pairs within a picture, and within CLIA's scope."""
    true = batch.labels > 0
    text_picture, object_picture = batch.text_picture[:, None], batch.object_picture[None]
    group = clia.minibatch if clia.scope == "minibatch" else 1
    near = true & (text_picture // group == object_picture // group)
    counts = [
        len(batch.boxes_cxcywh),
        int((true & (text_picture == object_picture)).sum()),
        int((true if clia.scope == "batch" else near).sum()),
        len(batch.token_ids),
        0 if batch.scene is None else len(batch.scene.relations),
    ]
    return torch.tensor(counts, dtype=torch.float64)


@dataclass(frozen=True, slots=True)
class Shares:
    """Counts of one batch and of the whole step that it belongs to, both in the order of ``COUNTED``."""

    batch: tuple[float, ...]
    step: tuple[float, ...]

    def of(self, part: str) -> float:
        """The share of a part of the loss; 1 if the batch is the whole step."""
        index = COUNTED.index(_DIVIDED_BY.get(part, "objects"))
        return max(self.batch[index], 1.0) / max(self.step[index], 1.0)


WHOLE = Shares((0.0,) * len(COUNTED), (0.0,) * len(COUNTED))
"""A batch that is a step by itself."""
