"""A run of VATEX, from its configuration to a model folder that the stage and the grounder load."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from reir.training.journal import environment, require_tensorboard
from reir.training.loop import fit
from reir.training.processes import join_processes
from reir.training.run import TrainReport
from reir.training.vatex.config import VatexTraining
from reir.training.vatex.task import VatexTask


def train(
    config: VatexTraining,
    *,
    out: Path,
    cache: Path,
    resume: bool = False,
    from_step: int | None = None,
    workers: int = 1,
    device: str = "auto",
    log: Callable[[str], None] = print,
) -> TrainReport:
    """Train VATEX on photographs or emoji scenes and write the model folder ``out/model``.

    What a step sees is a function of the seed and its number, so that a resumed run is the one that was never stopped;
    ``from_step`` resumes from an older checkpoint than the newest.

    Raises:
        DatasetError: data that cannot be read, or has no masks.
        KeyboardInterrupt: asked to stop; a checkpoint of the last whole step was written.
        MissingPackageError: a package that the settings need.
        ReirError: gradients were not finite too many times in a row.
        UsageError: ``resume`` finds no checkpoint, or one of another run; a tower or weights that do not fit.
        WeightsMissingError: published weights that are not on this machine.
    """
    if config.tensorboard:
        require_tensorboard()
    processes = join_processes(device)
    torch.manual_seed(config.seed)
    told = log if processes.leads else _silent
    resume = resume or from_step is not None
    out.mkdir(parents=True, exist_ok=True)
    task = VatexTask(config, out=out, cache=cache, resume=resume, processes=processes, workers=workers, log=told)
    task.network.to(device=processes.device)
    learner, fitted = fit(
        task,
        config,
        out=out,
        processes=processes,
        resume=resume,
        from_step=from_step,
        workers=workers,
        log=told,
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
    pictures = config.optim.steps * each_step
    return TrainReport(
        out / "model", fitted.validation, config.optim.steps, pictures, fitted.seconds, skipped=fitted.skipped
    )


def _silent(_: str) -> None:
    pass
