"""What a run writes of itself while it goes: its settings, its losses, its validations."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from reir.errors import MissingPackageError
from reir.training.section import Section

CONFIG, LOSSES, VALIDATION, SCALARS = "config.json", "losses.jsonl", "validation.jsonl", "tensorboard"


def environment() -> dict[str, str]:
    """Versions, commit and machine that a run is recorded with."""
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = "unknown"
    packages = {name: version(name) for name in ("reir", "torch", "numpy", "pillow")}
    return {**packages, "python": platform.python_version(), "commit": commit, "threads": str(torch.get_num_threads())}


class Journal:
    """The files of a run's folder that grow: one JSON line for each report, and scalars for TensorBoard if wanted.

    A run that goes on from step ``first`` drops the lines after it, which the stopped run may have written.

    Raises:
        MissingPackageError: ``tensorboard`` is wanted and not installed.
    """

    def __init__(self, folder: Path, *, first: int, tensorboard: bool = False) -> None:
        self._folder = folder
        for name in (LOSSES, VALIDATION):
            _keep_lines(folder / name, first)
        self._scalars: Any = None
        if tensorboard:
            require_tensorboard()
            from torch.utils.tensorboard import SummaryWriter

            untyped: Any = SummaryWriter  # in some releases of torch
            self._scalars = untyped(folder / SCALARS, purge_step=first)

    def losses(self, step: int, values: Mapping[str, float]) -> None:
        """Note the mean losses and rates of the last steps."""
        self._write(LOSSES, "train", step, values)

    def validation(self, step: int, seconds: float, values: Mapping[str, Any]) -> None:
        """Note a validation."""
        self._write(VALIDATION, "validation", step, {"seconds": seconds, **values})

    def close(self) -> None:
        """Finish the scalars' file."""
        if self._scalars is not None:
            self._scalars.close()

    def _write(self, name: str, group: str, step: int, values: Mapping[str, Any]) -> None:
        with (self._folder / name).open("a") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")
        if self._scalars is not None:
            for path, value in _numbers(group, values):
                self._scalars.add_scalar(path, value, step)


def require_tensorboard() -> None:
    """Return if TensorBoard is installed.

    Raises:
        MissingPackageError: it is not.
    """
    if find_spec("tensorboard") is None:
        raise MissingPackageError("tensorboard", "train")


def write_settings(folder: Path, config: Section) -> None:
    """Write the merged settings of a run with the versions and the commit that it runs with."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"config": config.model_dump(mode="json"), **environment()}
    temporary = folder / f"{CONFIG}.tmp"
    temporary.write_text(json.dumps(content, indent=1))
    temporary.replace(folder / CONFIG)


def _keep_lines(path: Path, last: int) -> None:
    if path.exists():
        lines = path.read_text().splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= last]
        if len(kept) < len(lines):
            path.write_text("".join(kept))


def _numbers(prefix: str, value: Any) -> list[tuple[str, float]]:
    """The numbers of nested values, each with its path."""
    if isinstance(value, Mapping):
        return [number for key, inner in value.items() for number in _numbers(f"{prefix}/{key}", inner)]
    return [(prefix, float(value))] if isinstance(value, int | float) else []
