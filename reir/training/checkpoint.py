"""Checkpoints of a run: written whole or not at all, found again, refused when they belong to another run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

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
    torch.save({"config": config.model_dump(mode="json"), "step": step, **state}, temporary)
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


def start_weights(folder: Path, network: nn.Module) -> dict[str, Any]:
    """The finished run in ``folder``: its ``network`` weights are loaded, its ``heads`` returned.

    ``new`` lists the parts of ``network`` that the run lacked, which keep their random weights: the routed experts
    and their gate, which only the second stage has (paper, section 4.4).

    Raises:
        UsageError: no run there, or one of another network.
    """
    path = folder / NAME
    if not path.is_file():
        raise UsageError(f"no checkpoint at {path}. Name the folder of a finished run as start")
    saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    try:
        missing, unexpected = network.load_state_dict(saved["network"], strict=False)
    except RuntimeError as error:
        raise UsageError(f"{path} holds a network of other sizes: {error}") from None
    new = sorted({name.rsplit(".", 1)[0] for name in missing})
    if unexpected or not all(name.startswith(("more.routed", "more.gate")) for name in new):
        raise UsageError(f"{path} holds another network: without {new}, with {unexpected}")
    return {"heads": saved["heads"], "new": new}
