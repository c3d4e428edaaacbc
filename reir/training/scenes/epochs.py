"""The order in which the scenes of a cache are seen: batches of one canvas shape."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reir.training.scenes.cache import Shard
from reir.types import IntArray


class Epochs:
    """Which scenes make batch n, a function of the seed and n alone.

    Every epoch has each scene once but for the remainder of each canvas shape, in random order.
    """

    def __init__(self, shards: Sequence[Shard], *, pictures: int, seed: int) -> None:
        by_canvas: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for s, shard in enumerate(shards):
            for r, record in enumerate(shard.records):
                by_canvas.setdefault(record.canvas, []).append((s, r))
        self._members = {canvas: np.array(pairs) for canvas, pairs in sorted(by_canvas.items())}
        self._pictures, self._seed = pictures, seed
        self._epochs: dict[int, list[IntArray]] = {}
        self._per_epoch = len(self._epoch(0))

    def __getitem__(self, number: int) -> IntArray:
        """The scenes (P, 2) of a batch: shard and row within it."""
        return self._epoch(number // self._per_epoch)[number % self._per_epoch]

    def _epoch(self, epoch: int) -> list[IntArray]:
        if epoch not in self._epochs:
            rng = np.random.default_rng([self._seed, 2, epoch])
            size = self._pictures
            batches = []
            for pairs in self._members.values():
                order = rng.permutation(len(pairs))
                batches += [pairs[order[i : i + size]] for i in range(0, len(order) - size + 1, size)]
            if not batches:  # a smoke run has fewer scenes of any one shape than a batch
                batches = list(self._members.values())
            self._epochs = {epoch: [batches[i] for i in rng.permutation(len(batches))]}
        return self._epochs[epoch]
