"""The whole method: from a picture and a text to an ellipse, or from a first ellipse to a better one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from reir.models.ellipse.question import Questions
from reir.models.ellipse.settings import EllipseSettings
from reir.models.ellipse.start import choose_start
from reir.models.ellipse.tower import PromptedTower
from reir.models.ellipse.tune import tune
from reir.types import FloatArray, Picture


@dataclass(frozen=True, slots=True)
class TunedEllipse:
    """An ellipse (5,), that which it was tuned from, both matching scores, and the steps that were done."""

    ellipse: FloatArray
    start: FloatArray
    score_before: float
    score: float
    steps: int


class EllipseTuner:
    """Tune-An-Ellipse with an ensemble of towers. Works on several questions in one batch; safe from several threads.

    Args:
        scoring: towers whose scores are added.
        explaining: towers whose Grad-CAMs are added.
        settings: numbers of the method.
    """

    def __init__(
        self, scoring: Sequence[PromptedTower], explaining: Sequence[PromptedTower], settings: EllipseSettings
    ) -> None:
        self.scoring = tuple(scoring)
        self.explaining = tuple(explaining)
        self.settings = settings
        # Grad-CAM sets a hook on a network while it works.
        self._lock = threading.Lock()

    @property
    def picture_side(self) -> int:
        """Longer side in pixels beyond which a picture brings the towers little: twice what they see."""
        return 2 * max(max(tower.size) for tower in (*self.scoring, *self.explaining))

    def prepare(self) -> None:
        """Load the towers. Raises UsageError for one that Grad-CAM does not know; see ``GradCam``."""
        with self._lock:
            for tower in (*self.scoring, *self.explaining):
                tower.prepare()
            for tower in self.explaining:
                _ = tower.grad_cam

    def refine(
        self,
        pictures: Sequence[Picture],
        texts: Sequence[str],
        ellipses: FloatArray,
        *,
        out_of_time: Callable[[], bool] = lambda: False,
    ) -> list[TunedEllipse]:
        """What becomes of ellipses (N, 5), each tuned in its picture to its text."""
        if not len(ellipses):
            return []
        with self._lock:
            questions = Questions(self.scoring, self.explaining, pictures, texts, self.settings)
            return self._tuned(questions, torch.from_numpy(ellipses).to(questions.device), out_of_time)

    def find(
        self, pictures: Sequence[Picture], texts: Sequence[str], *, out_of_time: Callable[[], bool] = lambda: False
    ) -> list[TunedEllipse]:
        """An ellipse for each picture and text, tuned from the best of the anchors."""
        if not texts:
            return []
        with self._lock:
            questions = Questions(self.scoring, self.explaining, pictures, texts, self.settings)
            start = choose_start(questions, len(texts), self.settings, out_of_time)
            return self._tuned(questions, start, out_of_time)

    def _tuned(self, questions: Questions, start: torch.Tensor, out_of_time: Callable[[], bool]) -> list[TunedEllipse]:
        tuned = tune(questions, start, self.settings, out_of_time)
        rows = zip(
            tuned.ellipses.cpu().numpy().astype(np.float32),
            start.cpu().numpy(),
            tuned.scores_before.tolist(),
            tuned.scores.tolist(),
            strict=True,
        )
        return [TunedEllipse(ellipse, first, before, score, tuned.steps) for ellipse, first, before, score in rows]
