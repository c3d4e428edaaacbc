"""Batches of decoded pictures through the model, a picture that it cannot take costing no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np

from reir.protocols import Model
from reir.types import Instances, Picture

AT_FIRST = 4
"""Pictures of the first batches, until it is known how long they take."""
SECONDS_AT_ONCE = 2.0


class Extractor:
    """Instances of pictures, by a model that is asked for when the first batch is full.

    Args:
        model: the model.
        max_instances: instances kept of a picture, best objectness first.
        most_at_once: pictures of a batch at most.
        seconds_at_once: about what a batch may take. A detector may look at one picture for ten seconds: a run should
            be seen to go on, and stop soon when it is asked to.
    """

    def __init__(
        self, model: Model, *, max_instances: int, most_at_once: int, seconds_at_once: float = SECONDS_AT_ONCE
    ) -> None:
        self._model = model
        self._max_instances = max_instances
        self._most_at_once = most_at_once
        self._seconds_at_once = seconds_at_once
        self._worked = False
        self.at_once = min(AT_FIRST, most_at_once)
        """Pictures that the next batch should have."""

    def extract(self, pictures: Sequence[Picture]) -> list[Instances | str]:
        """The instances of each picture, or why the model could not take it.

        If the model fails on a batch, its pictures are tried one by one. If it has never worked and works on none of
        them, the fault is not the pictures', and its error is raised.
        """
        loading, began = not self._worked, perf_counter()
        try:
            kept: list[Instances | str] = list(self._checked(self._model.extract, pictures))
            if not loading:
                self._adapt(len(pictures), perf_counter() - began)
            return kept
        except Exception as error:
            results: list[Instances | str] = [_cause(error)]
            if len(pictures) > 1:
                results = [self._single(picture) for picture in pictures]
            if not self._worked:
                raise
            return results

    def _adapt(self, count: int, seconds: float) -> None:
        if seconds > 2 * self._seconds_at_once:
            self.at_once = max(1, self.at_once // 2)
        elif seconds < self._seconds_at_once / 2 and count >= self.at_once:
            self.at_once = min(self._most_at_once, 2 * self.at_once)

    def _single(self, picture: Picture) -> Instances | str:
        try:
            return self._checked(self._model.extract, [picture])[0]
        except Exception as error:  # Becomes the cause of this picture's row.
            return _cause(error)

    def _checked(
        self, extract: Callable[[Sequence[Picture]], list[Instances]], pictures: Sequence[Picture]
    ) -> list[Instances]:
        results = extract(pictures)
        if len(results) != len(pictures):
            raise ValueError(f"the model gave {len(results)} results for {len(pictures)} pictures")
        kept = [self._best(instances) for instances in results]
        self._worked = True
        return kept

    def _best(self, instances: Instances) -> Instances:
        if len(instances) <= self._max_instances:
            return instances
        order = np.argsort(-instances.objectness, kind="stable")[: self._max_instances]
        return instances.take(order)


def _cause(error: Exception) -> str:
    return f"the model failed on it: {' '.join(str(error).split())[:200] or type(error).__name__}"
