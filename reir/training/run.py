"""A training run, from its configuration to a checkpoint folder that ``load_model`` takes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch

from reir.errors import MissingPackageError
from reir.training.batch import Batch
from reir.training.checkpoint import start_weights
from reir.training.config import TrainConfig
from reir.training.processes import Processes
from reir.training.runner import Log, TrainReport, run_task
from reir.training.task import Task


def train(
    config: TrainConfig,
    *,
    out: Path,
    cache: Path,
    resume: bool = False,
    from_step: int | None = None,
    workers: int = 1,
    device: str = "auto",
    log: Log = print,
) -> TrainReport:
    """Train CLARE on emoji scenes or on photographs and write the checkpoint folder ``out/model``.

    The order of the data is a function of the seed and the step, so that a resumed run sees what the whole run
    would have seen; ``from_step`` resumes from an older checkpoint than the newest. With a moving average of the
    weights the other network, the one that does not ship, lies in ``out/model-last`` or ``out/model-average``.

    Raises:
        DatasetError: data that cannot be read.
        KeyboardInterrupt: asked to stop; a checkpoint of the last whole step was written.
        MissingPackageError: the text branch could not be exported at the end, or a package that the settings need.
        ReirError: gradients were not finite too many times in a row.
        UsageError: ``resume`` finds no checkpoint, or one of another run; files that the run needs are missing.
        WeightsMissingError: published weights to start from are not on this machine.
    """
    if find_spec("onnx") is None:
        raise MissingPackageError("onnx", "train")
    resume = resume or from_step is not None

    def make(processes: Processes, told: Log) -> Task[Batch]:
        task = make_task(config, out=out, cache=cache, resume=resume, processes=processes, workers=workers, log=told)
        if config.start is not None and not resume:
            saved = start_weights(config.start, task.network)
            if saved["heads"]:
                task.heads.load_state_dict(saved["heads"])
            told(f"starts from {config.start}; new: {', '.join(saved['new']) or 'nothing'}")
        task.network.to(device=processes.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        task.heads.to(processes.device)
        return task

    return run_task(make, config, out=out, resume=resume, from_step=from_step, workers=workers, device=device, log=log)


def make_task(
    config: TrainConfig,
    *,
    out: Path,
    cache: Path,
    resume: bool,
    processes: Processes,
    workers: int,
    log: Log,
) -> Task[Batch]:
    """The network and the data of a run, on the CPU."""
    if config.data is not None:
        from reir.training.scenes.task import SceneTask

        return SceneTask(config, cache=cache, processes=processes, workers=workers, log=log)
    from reir.training.full_size.task import PhotoTask

    return PhotoTask(config, out=out, resume=resume, processes=processes, log=log)
