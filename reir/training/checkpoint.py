"""Checkpoints of a run: written whole or not at all, found again, refused when they belong to another run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import nn

from reir.errors import UsageError
from reir.training.section import Section

NAME = "checkpoint.pt"
"""The newest checkpoint of a run. The older ones that are kept, and it too, are ``checkpoint-STEP.pt``."""

RESUMABLE: dict[str, set[str] | bool] = {
    "optim": {"steps", "skip_limit"},
    "stages": True,
    "average": {"ships"},
    "log_every": True,
    "checkpoint_every": True,
    "keep_checkpoints": True,
    "validate_every": True,
    "tensorboard": True,
}
"""Settings of CLARE's runs that may differ when one goes on: how long it runs, how often it reports, what ships."""


def save_checkpoint(folder: Path, config: Section, step: int, state: dict[str, Any], *, keep: int = 1) -> Path:
    """Path of the newest checkpoint, now the one of this step; the ``keep`` newest ones are left."""
    path = folder / NAME
    temporary = path.with_suffix(".tmp")
    torch.save({"config": config.model_dump(mode="json"), "step": step, **state}, temporary)
    if keep > 1:
        numbered = folder / f"checkpoint-{step:08d}.pt"
        numbered.unlink(missing_ok=True)
        try:
            os.link(temporary, numbered)
        except OSError:  # a file system without links
            copy = numbered.with_suffix(".tmp")
            shutil.copyfile(temporary, copy)
            copy.replace(numbered)
    temporary.replace(path)
    for old in kept_checkpoints(folder)[: -keep if keep > 1 else None]:
        old.unlink()
    return path


def kept_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of single steps in a run's folder, oldest first."""
    return sorted(folder.glob("checkpoint-*.pt"))


def load_checkpoint(
    folder: Path, config: Section, *, step: int | None = None, resumable: dict[str, set[str] | bool] = RESUMABLE
) -> dict[str, Any]:
    """The run's newest checkpoint, or that of a step: step and states.

    Settings other than the ``resumable`` ones must be those of the run.

    Raises:
        UsageError: there is none, or it was made by a run with other settings.
    """
    path = folder / (NAME if step is None else f"checkpoint-{step:08d}.pt")
    if not path.is_file():
        kept = [str(int(other.stem.split("-")[1])) for other in kept_checkpoints(folder)]
        if step is not None and kept:
            raise UsageError(f"no checkpoint at {path}. There are those of the steps {', '.join(kept)}")
        raise UsageError(f"no checkpoint at {path}. Start the run without --resume")
    saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    before = type(config).model_validate(saved["config"]).model_dump(exclude=resumable)
    now = config.model_dump(exclude=resumable)
    if before != now:
        changed = [key for key in now if before.get(key) != now[key]]
        raise UsageError(f"{path} was made with other settings ({', '.join(changed)}). Use another --out folder")
    return saved


def finished_run(folder: Path) -> dict[str, Any]:
    """The checkpoint of the finished run in ``folder``; its ``network`` holds the weights that the run ships.

    Raises:
        UsageError: no run there.
    """
    path = folder / NAME
    if not path.is_file():
        raise UsageError(f"no checkpoint at {path}. Name the folder of a finished run as start")
    saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    average = saved.get("average") if saved.get("config", {}).get("average", {}).get("ships") else None
    return {**saved, "network": average or saved["network"]}


def start_weights(folder: Path, network: nn.Module) -> dict[str, Any]:
    """The finished run in ``folder``: the ``network`` weights that it ships are loaded, its ``heads`` returned.

    ``new`` lists the parts of ``network`` that the run lacked, which keep their random weights: the routed experts
    and their gate, which only the second stage has (paper, section 4.4).

    Raises:
        UsageError: no run there, or one of another network.
    """
    path = folder / NAME
    saved = finished_run(folder)
    try:
        missing, unexpected = network.load_state_dict(saved["network"], strict=False)
    except RuntimeError as error:
        raise UsageError(f"{path} holds a network of other sizes: {error}") from None
    new = sorted({name.rsplit(".", 1)[0] for name in missing})
    if unexpected or not all(name.startswith(("more.routed", "more.gate")) for name in new):
        raise UsageError(f"{path} holds another network: without {new}, with {unexpected}")
    return {"heads": saved["heads"], "new": new}
