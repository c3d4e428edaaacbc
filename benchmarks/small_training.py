"""What the scripts that train a small network share: rates, groups of parameters, checkpoints, progress.

The loop itself stands in each script: it is short, and what happens in a step is what the scripts differ in.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn


def parameter_groups(parameters: Iterable[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """AdamW's groups: matrices, kernels and embeddings decay; biases, norms and single numbers do not."""
    everything = list(parameters)
    return [
        {"params": [parameter for parameter in everything if parameter.ndim > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in everything if parameter.ndim <= 1], "weight_decay": 0.0},
    ]


def learning_rate(peak: float, step: int, steps: int, *, warmup: int) -> float:
    """Learning rate of a step (counted from 0): linear warm-up, then cosine decay to a fiftieth of the peak."""
    if step < warmup:
        return peak * ((step + 1) / warmup)
    return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1))))


def set_learning_rate(optim: torch.optim.Optimizer, rate: float) -> None:
    """Give every group this learning rate."""
    for group in optim.param_groups:
        group["lr"] = rate


def save_checkpoint(path: Path, parts: Mapping[str, Any], step: int) -> None:
    """Write the states of ``parts`` (networks, optimiser) after ``step`` steps; a run cut short leaves the old file."""
    temporary = path.with_suffix(".tmp")
    torch.save({**{name: part.state_dict() for name, part in parts.items()}, "step": step}, temporary)
    temporary.replace(path)


def resume(path: Path, parts: Mapping[str, Any]) -> int:
    """Steps that the checkpoint's run has done, its states now in ``parts``; 0 where there is no checkpoint."""
    if not path.is_file():
        return 0
    saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(saved[name])
    step: int = saved["step"]
    return step


class Progress:
    """Prints the mean of each loss over every so many steps, and the minutes since it was made."""

    def __init__(self, steps: int, *, every: int = 50, digits: int = 3) -> None:
        self._steps, self._every, self._digits = steps, every, digits
        self._started = time.perf_counter()
        self._totals: dict[str, float] = {}
        self._seen = 0

    def add(self, done: int, losses: Mapping[str, Tensor]) -> None:
        """Count the losses of the step with which ``done`` steps are done."""
        for name, value in losses.items():
            self._totals[name] = self._totals.get(name, 0.0) + float(value.detach())
        self._seen += 1
        if done % self._every == 0:
            minutes = (time.perf_counter() - self._started) / 60
            means = " ".join(f"{name} {total / self._seen:.{self._digits}f}" for name, total in self._totals.items())
            print(f"step {done}/{self._steps} {minutes:.1f} min: {means}", flush=True)
            self._totals, self._seen = {}, 0


def save_open_clip(model: nn.Module, config: Mapping[str, Any], folder: Path) -> None:
    """Write a CLIP of open_clip as the folder that ``local-dir:`` takes."""
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=1))
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
