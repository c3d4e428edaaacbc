"""Learning rate over a run."""

from __future__ import annotations

import math

from reir.training.loop_config import OptimConfig


def learning_rate(config: OptimConfig, step: int) -> float:
    """Learning rate of a step (counted from 0): linear warm-up, then cosine decay to ``final_share`` of the peak.

    With the schedule ``step`` it falls to a tenth at each of the ``drops`` instead (paper, appendix A.1).
    """
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    if config.schedule == "step":
        return config.learning_rate * 0.1 ** sum(step >= drop for drop in config.drops)
    progress = (step - config.warmup) / max(config.steps - config.warmup, 1)
    cosine = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return config.learning_rate * (config.final_share + (1 - config.final_share) * cosine)
