"""Checkpoints of a run: written whole or not at all, found again, refused when they belong to another run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import nn

from reir.errors import UsageError
from reir.training.section import Section

NAME = "checkpoint.pt"
"""The newest checkpoint of a run. The older ones that are kept, and it too, are ``checkpoint-STEP.pt``."""

_PRIOR = "visual.prior"
_NEW = ("more.routed", "more.gate", _PRIOR)
"""How the names of parts begin that a run may have beyond those of the run it starts from."""

RESUMABLE: dict[str, set[str] | bool] = {
    "optim": {"steps", "skip_limit", "learning_rate", "bf16"},
    "stages": True,
    "average": {"ships"},
    "log_every": True,
    "checkpoint_every": True,
    "keep_checkpoints": True,
    "validate_every": True,
    "tensorboard": True,
}
"""Settings of CLARE's runs that may differ when one goes on: how long it runs, how often it reports, what ships, and
what helps a run whose gradients are not finite. None of them changes what a step sees.
"""


def save_checkpoint(folder: Path, config: Section, step: int, state: dict[str, Any], *, keep: int = 1) -> Path:
    """Path of the newest checkpoint, now the one of this step; the ``keep`` newest ones are left.

    Those of later steps go: they are of a run that was left for an older checkpoint of it, or begun anew.
    """
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
    kept = kept_checkpoints(folder)
    earlier = [other for other in kept if _step(other) <= step]
    for other in {*kept} - {*(earlier[-keep:] if keep > 1 else [])}:
        other.unlink()
    return path


def kept_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of single steps in a run's folder, oldest first."""
    return sorted(folder.glob("checkpoint-*.pt"))


def _step(path: Path) -> int:
    return int(path.stem.split("-")[1])


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
        kept = [str(_step(other)) for other in kept_checkpoints(folder)]
        if step is not None and kept:
            raise UsageError(f"no checkpoint at {path}. There are those of the steps {', '.join(kept)}")
        raise UsageError(f"no checkpoint at {path}. Start the run without --resume")
    saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    try:
        before = type(config).model_validate(saved["config"]).model_dump(exclude=resumable)
    except ValidationError:
        raise UsageError(f"{path} was made by a run of another kind. Use another --out folder") from None
    now = config.model_dump(exclude=resumable)
    if before != now:
        changed = [key for key in now if before.get(key) != now[key]]
        raise UsageError(f"{path} was made with other settings ({', '.join(changed)}). Use another --out folder")
    return saved


def finished_run(folder: Path) -> dict[str, Any]:
    """The checkpoint of the finished run in ``folder``; its ``network`` holds the weights that the run ships.

    Raises:
        UsageError: no run there, or one that has not come to its end.
    """
    path = folder / NAME
    if not path.is_file():
        raise UsageError(f"no checkpoint at {path}. Name the folder of a finished run as start")
    saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    config = saved.get("config", {})
    if (step := saved.get("step", 0)) < (steps := config.get("optim", {}).get("steps", 0)):
        raise UsageError(f"{path} is at step {step} of {steps}: finish that run first (--out {folder} --resume)")
    average = saved.get("average") if config.get("average", {}).get("ships") else None
    return {**saved, "network": average or saved["network"]}


def start_weights(folder: Path, network: nn.Module) -> dict[str, Any]:
    """The finished run in ``folder``: the ``network`` weights that it ships are loaded, its ``heads`` returned.

    ``new`` lists the parts of ``network`` that the run lacked, which keep their weights: the routed experts and their
    gate, random, which only the second stage has (paper, section 4.4), and a CLIP Prior, which has its tower's.

    Raises:
        UsageError: no run there, or one of another network.
    """
    path = folder / NAME
    saved = finished_run(folder)
    try:
        missing, unexpected = network.load_state_dict(saved["network"], strict=False)
    except RuntimeError as error:
        raise UsageError(f"{path} holds a network of other sizes: {error}") from None
    new = sorted({_PRIOR if name.startswith(_PRIOR) else name.rsplit(".", 1)[0] for name in missing})
    if unexpected or not all(name.startswith(_NEW) for name in new):
        raise UsageError(f"{path} holds another network: without {new}, with {unexpected}")
    return {"heads": saved["heads"], "new": new}
