"""A run of VATEX, from its configuration to a model folder that the stage and the grounder load."""

from __future__ import annotations

from pathlib import Path

from reir.training.processes import Processes
from reir.training.runner import Log, TrainReport, run_task
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
    log: Log = print,
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
    resume = resume or from_step is not None
    out.mkdir(parents=True, exist_ok=True)

    def make(processes: Processes, told: Log) -> VatexTask:
        task = VatexTask(config, out=out, cache=cache, resume=resume, processes=processes, workers=workers, log=told)
        task.network.to(device=processes.device)
        return task

    return run_task(make, config, out=out, resume=resume, from_step=from_step, workers=workers, device=device, log=log)
