"""Which source and which of its pictures each batch is made of: multi-task sampling, as Detic's (paper, A.1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reir.types import IntArray


class Mixture:
    """The source of each batch of a run, and the rows of its pictures, as functions of the seed and its number alone.

    Each batch draws its source by weight. A source goes through its pictures in epochs, each picture once, wide
    ones with wide ones and tall with tall, which saves a third of the padding.
    """

    def __init__(
        self, wide: Sequence[np.ndarray], weights: Sequence[float], *, pictures: int, seed: int, steps: int
    ) -> None:
        """``wide``: for each source, (P,) bool, whether a picture is wider than high."""
        self._size, self._seed = pictures, seed
        shares = np.cumsum(weights) / np.sum(weights)
        # Drawn one after the other: a longer run begins as a shorter one does.
        draws = np.random.default_rng([seed, 11]).random(steps)
        self.sources: IntArray = (
            np.searchsorted(shares, draws, side="right").clip(max=len(weights) - 1).astype(np.int64)
        )
        self._turn = np.zeros(steps, dtype=np.int64)
        for source in range(len(weights)):
            mine = self.sources == source
            self._turn[mine] = np.arange(mine.sum())
        self._groups = [
            [rows for rows in (np.flatnonzero(shape), np.flatnonzero(~shape)) if len(rows)] for shape in wide
        ]
        self._epochs: dict[int, tuple[int, list[IntArray]]] = {}

    def rows(self, step: int) -> IntArray:
        """The rows of the pictures of a batch, in its source."""
        source, turn = int(self.sources[step]), int(self._turn[step])
        per_epoch = sum(-(-len(rows) // self._size) for rows in self._groups[source])
        return self._epoch(source, turn // per_epoch)[turn % per_epoch]

    def _epoch(self, source: int, epoch: int) -> list[IntArray]:
        if self._epochs.get(source, (-1,))[0] != epoch:
            rng = np.random.default_rng([self._seed, 12, source, epoch])
            batches: list[IntArray] = []
            for rows in self._groups[source]:
                order = rng.permutation(rows)
                # The last batch of a shape is filled up with the first ones again, none twice in one batch.
                missing = min(-len(order) % self._size, len(order) - len(order) % self._size)
                order = np.concatenate([order, order[:missing]])
                batches += [order[i : i + self._size] for i in range(0, len(order), self._size)]
            self._epochs[source] = (epoch, [batches[i] for i in rng.permutation(len(batches))])
        return self._epochs[source][1]
