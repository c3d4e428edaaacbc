"""Checkpoints of a run: written whole or not at all, found again, refused when they belong to another run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from reir.errors import UsageError
from reir.training.section import Section

NAME = "checkpoint.pt"

RESUMABLE: dict[str, set[str] | bool] = {
    "optim": {"steps"},
    "stages": True,
    "checkpoint_every": True,
    "validate_every": True,
}
"""Settings of CLARE's runs that may differ when one goes on: how long it runs and how often it reports."""


def save_checkpoint(folder: Path, config: Section, step: int, state: dict[str, Any]) -> Path:
    """Path of the checkpoint written for this step (the former one is replaced in one rename)."""
    path = folder / NAME
    temporary = path.with_suffix(".tmp")
    torch.save({"config": config.model_dump(), "step": step, **state}, temporary)
    temporary.replace(path)
    return path


def load_checkpoint(
    folder: Path, config: Section, *, resumable: dict[str, set[str] | bool] = RESUMABLE
) -> dict[str, Any]:
    """The run's checkpoint: step and states. Settings other than the ``resumable`` ones must be those of the run.

    Raises:
        UsageError: there is none, or it was made by a run with other settings.
    """
    path = folder / NAME
    if not path.is_file():
        raise UsageError(f"no checkpoint at {path}. Start the run without --resume")
    saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    before = type(config).model_validate(saved["config"]).model_dump(exclude=resumable)
    now = config.model_dump(exclude=resumable)
    if before != now:
        changed = [key for key in now if before.get(key) != now[key]]
        raise UsageError(f"{path} was made with other settings ({', '.join(changed)}). Use another --out folder")
    return saved
