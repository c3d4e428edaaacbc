"""What every run of the loop is told: how it learns, how often it reports, what it keeps."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from reir.training.section import Section


class OptimConfig(Section):
    """AdamW with linear warm-up, then cosine or step decay."""

    steps: int = Field(gt=0)
    accumulate: int = Field(default=1, gt=0, description="batches of a step, one after the other")
    learning_rate: float = Field(default=1e-3, gt=0)
    tower_factor: float = Field(
        default=1.0, gt=0, description="learning rate of the network's pretrained towers, as a share of the others'"
    )
    schedule: Literal["cosine", "step"] = "cosine"
    drops: tuple[int, ...] = Field(default=(), description="steps at which the learning rate falls to a tenth")
    final_share: float = Field(default=0.02, ge=0, description="cosine's learning rate at the end, as a share")
    warmup: int = Field(default=60, ge=0)
    weight_decay: float = Field(default=0.02, ge=0)
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = Field(default=2.0, gt=0)
    bf16: bool = True
    skip_limit: int = Field(
        default=20, gt=0, description="steps in a row with gradients that are not finite, after which the run ends"
    )

    @model_validator(mode="after")
    def _fits(self) -> OptimConfig:
        if (self.schedule == "step") != bool(self.drops):
            raise ValueError("drops belong to the schedule 'step', which needs them")
        return self


class AverageConfig(Section):
    """An exponential moving average of the weights, validated and kept beside them."""

    decay: float | None = Field(default=None, gt=0, lt=1, description="share kept at every step; none: no average")
    ships: bool = Field(default=True, description="the model folder holds the average, not the last weights")


class LoopConfig(Section):
    """What ``reir.training.loop.fit`` reads of a run file, whatever is trained."""

    name: str
    seed: int = 0
    optim: OptimConfig
    average: AverageConfig = AverageConfig()
    log_every: int = Field(default=50, gt=0)
    checkpoint_every: int = Field(default=500, gt=0)
    keep_checkpoints: int = Field(default=2, gt=0, description="the newest ones; the others are removed")
    validate_every: int = Field(default=2000, gt=0)
    tensorboard: bool = Field(default=False, description="scalars for TensorBoard too, in the run's folder")
