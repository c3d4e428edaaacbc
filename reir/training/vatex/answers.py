"""What a network paints for expressions with known masks, and how good that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn

from reir.metrics.segmentation import ObjectCentricIou, mask_counts, segmentation_figures
from reir.models.vatex.network import Vatex
from reir.models.vatex.prior import ClipPrior
from reir.training.vatex.forward import forward_rows
from reir.training.vatex.queries import MaskScene
from reir.training.vatex.rows import Composer, Sample

ROWS = 24
"""Expressions that are answered at once."""


@dataclass(frozen=True, slots=True)
class MaskAnswers:
    """Q expressions about N objects, scene by scene."""

    intersections: npt.NDArray[np.int64]
    """(Q,) pixels that the painted and the true mask share."""
    unions: npt.NDArray[np.int64]
    """(Q,) pixels of either."""
    scenes: npt.NDArray[np.int64]
    """(Q,) the number of the scene."""
    kinds: tuple[str | None, ...]
    """Q kinds of expressions."""
    object_ious: npt.NDArray[np.float64]
    """(N,) the object-centric IoU (equation 9)."""
    object_scenes: npt.NDArray[np.int64]
    """(N,) the number of the scene."""

    def figures(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """mIoU, oIoU, object-centric IoU and Pr@0.5, 0.7, 0.9, and their intervals."""
        return segmentation_figures(self.intersections, self.unions, object_ious=self.object_ious)


def answer(
    network: nn.Module,
    prior: ClipPrior | None,
    composer: Composer,
    scenes: Sequence[MaskScene],
    *,
    device: torch.device,
    bf16: bool,
) -> MaskAnswers:
    """What the network paints for all expressions of all scenes: the mask of its most probable query."""
    assert isinstance(network, Vatex)
    was_training = network.training
    network.eval()
    shared: dict[tuple[int, int], tuple[int, int]] = {}
    by_object, objects = ObjectCentricIou(), list[tuple[int, int]]()
    for numbers in _batches(scenes):
        samples = [
            Sample(scenes[n].pixels, [query.text for query in scenes[n].queries], [q.mask for q in scenes[n].queries])
            for n in numbers
        ]
        batch = composer.compose(samples)
        with torch.no_grad():
            output = forward_rows(network, prior, batch, device=device, bf16=bf16)
            best = output.class_logits[-1].float().argmax(dim=1)
            logits = output.mask_logits[-1][torch.arange(len(best)), best].float()
            full = F.interpolate(logits[:, None], size=batch.masks.shape[-2:], mode="bilinear", align_corners=False)
        painted = (full[:, 0] > 0).cpu().numpy()
        row = 0
        for n in numbers:
            for q, query in enumerate(scenes[n].queries):
                height, width = query.mask.shape
                mask = painted[row, :height, :width]
                shared[n, q] = mask_counts(mask, query.mask)
                by_object.add((n, query.target), mask, query.mask)
                objects.append((n, query.target))
                row += 1
    network.train(was_training)
    order = [(n, q) for n, scene in enumerate(scenes) for q in range(len(scene.queries))]
    counts = np.array([shared[place] for place in order], dtype=np.int64).reshape(-1, 2)
    names = list(dict.fromkeys(objects))
    ious = dict(zip(names, by_object.ious().tolist(), strict=True))
    return MaskAnswers(
        counts[:, 0],
        counts[:, 1],
        np.array([n for n, _ in order], dtype=np.int64),
        tuple(scenes[n].queries[q].kind for n, q in order),
        np.array([ious[name] for name in sorted(names)]),
        np.array([n for n, _ in sorted(names)], dtype=np.int64),
    )


def _batches(scenes: Sequence[MaskScene]) -> Iterator[list[int]]:
    """Numbers of the scenes that are answered at once: of one shape, about ``ROWS`` expressions."""
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for number, scene in enumerate(scenes):
        if scene.queries:
            by_shape.setdefault(scene.pixels.shape, []).append(number)
    for numbers in by_shape.values():
        batch: list[int] = []
        for number in numbers:
            batch.append(number)
            if sum(len(scenes[n].queries) for n in batch) >= ROWS:
                yield batch
                batch = []
        if batch:
            yield batch
