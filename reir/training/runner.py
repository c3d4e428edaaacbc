"""A run of the loop as a whole: processes and seed, the task, its steps, and the model folders that it leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from reir.training.journal import environment, require_tensorboard
from reir.training.loop import fit
from reir.training.loop_config import LoopConfig
from reir.training.processes import Processes, join_processes
from reir.training.task import B, Task

Log = Callable[[str], None]


@dataclass(frozen=True)
class TrainReport:
    """What a run made: the checkpoint folder, its last validation, and the seconds it took."""

    folder: Path
    validation: dict[str, Any]
    steps: int
    pictures: int
    seconds: float
    skipped: int = 0


def run_task(
    make: Callable[[Processes, Log], Task[B]],
    config: LoopConfig,
    *,
    out: Path,
    resume: bool,
    from_step: int | None,
    workers: int,
    device: str,
    log: Log,
) -> TrainReport:
    """Make a task on the device of its process, fit it, and write ``out/model``.

    With a moving average of the weights the other network, the one that does not ship, lies in ``out/model-last`` or
    ``out/model-average``. ``make`` is told by the seeded process that it is for, and how to log.

    Raises:
        KeyboardInterrupt: asked to stop; a checkpoint of the last whole step was written.
        MissingPackageError: the settings ask for TensorBoard, which is not installed.
        ReirError: gradients were not finite too many times in a row.
        UsageError: ``resume`` finds no checkpoint, or one of another run.
    """
    if config.tensorboard:
        require_tensorboard()
    processes = join_processes(device)
    torch.manual_seed(config.seed)
    told = log if processes.leads else _silent
    task = make(processes, told)
    learner, fitted = fit(
        task, config, out=out, processes=processes, resume=resume, from_step=from_step, workers=workers, log=told
    )
    each_step = task.pictures * config.optim.accumulate * processes.count
    if processes.leads:
        card = {
            "batch": each_step,
            "validation": fitted.validation,
            "environment": environment(),
            "seconds": fitted.seconds,
        }
        for number, (name, network) in enumerate(learner.networks().items()):
            task.write(out / ("model" if number == 0 else f"model-{name}"), network, card)
    processes.wait()
    steps = config.optim.steps
    return TrainReport(
        out / "model", fitted.validation, steps, steps * each_step, fitted.seconds, skipped=fitted.skipped
    )


def _silent(_: str) -> None:
    pass
