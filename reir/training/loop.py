"""The steps of a run, whatever it is trained on: accumulation, clipping, averaging, reports, checkpoints.

A step takes its batches by number, draws its randomness from (seed, step, batch, process), and leaves a state that a
checkpoint holds in full: a run that goes on from one is the run that was never stopped.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler

from reir.errors import ReirError
from reir.training.average import WeightAverage
from reir.training.checkpoint import load_checkpoint, save_checkpoint
from reir.training.interruption import Interruption
from reir.training.journal import Journal, write_settings
from reir.training.loop_config import LoopConfig
from reir.training.optimiser import make_optimiser, set_learning_rate, trained_parameters
from reir.training.processes import Processes
from reir.training.shares import Shares
from reir.training.task import B, Task


@dataclass(frozen=True)
class FitReport:
    """What the steps came to: the last validation, the seconds, and the steps that were skipped."""

    validation: dict[str, Any]
    seconds: float
    skipped: int


class Learner(Generic[B]):
    """Everything that a step changes: the network, its heads, their optimiser, and the average of the weights."""

    def __init__(self, task: Task[B], config: LoopConfig, processes: Processes) -> None:
        self.task, self.config, self.processes = task, config, processes
        self.optim = make_optimiser([task.network, task.heads], config.optim, task.towers)
        self.average = None if config.average.decay is None else WeightAverage(task.network, config.average.decay)
        self.skipped = 0
        self._skipped_in_a_row = 0

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        task = self.task
        state = {"network": task.network.state_dict(), "heads": task.heads.state_dict()}
        average = {} if self.average is None else {"average": self.average.network.state_dict()}
        facts = {"skipped": self.skipped, "processes": self.processes.count}
        return {**state, **average, "optim": self.optim.state_dict(), **facts}

    def load(self, saved: dict[str, Any]) -> None:
        """Take up the state of a checkpoint."""
        self.task.network.load_state_dict(saved["network"])
        self.task.heads.load_state_dict(saved["heads"])
        self.optim.load_state_dict(saved["optim"])
        self.skipped = saved.get("skipped", 0)
        if self.average is not None:
            self.average.network.load_state_dict(saved["average"])

    def networks(self) -> dict[str, nn.Module]:
        """The network as it ships, first, and the other one where an average is kept."""
        if self.average is None:
            return {"last": self.task.network}
        both = {"average": self.average.network, "last": self.task.network}
        return both if self.config.average.ships else dict(reversed(both.items()))

    def step(self, step: int, batches: list[B], *, asked: bool) -> tuple[dict[str, Tensor], bool]:
        """Parts of the loss of one step, empty if it was skipped, and whether some process was ``asked`` to stop.

        Raises:
            ReirError: gradients were not finite too many times in a row.
        """
        task, config = self.task, self.config
        counts = torch.stack([task.counts(batch) for batch in batches])
        together = self.processes.total(torch.cat([counts.sum(0), torch.tensor([float(asked)]).double()])).tolist()
        task.network.train()
        task.heads.train()
        # Batch norm notes what it sees in the forward pass, also where the step is then skipped.
        buffers = [(buffer, buffer.clone()) for buffer in task.network.buffers() if buffer.is_floating_point()]
        self.optim.zero_grad(set_to_none=True)
        parts: dict[str, Tensor] = {}
        for number, batch in enumerate(batches):
            torch.manual_seed(_seed(config.seed, step, number, self.processes.rank))
            shares = Shares(tuple(counts[number].tolist()), tuple(together[:-1]))
            loss, found = task.loss(batch, progress=(step + 0.5) / config.optim.steps, shares=shares)
            loss.backward()
            for name, value in found.items():
                parts[name] = parts.get(name, 0.0) + value.detach()
        norm = self._gradient_norm()
        if bool(torch.isfinite(norm)):
            self.optim.step()
            if self.average is not None:
                self.average.update(step + 1)
            self._skipped_in_a_row = 0
            return {**parts, "gradient": norm}, together[-1] > 0
        for buffer, before in buffers:
            buffer.copy_(before)
        self.skipped += 1
        self._skipped_in_a_row += 1
        if self._skipped_in_a_row >= config.optim.skip_limit:
            raise ReirError(
                f"gradients were not finite in {self._skipped_in_a_row} steps in a row, up to step {step + 1}. Go on "
                "from an earlier checkpoint with a smaller optim.learning_rate, or with optim.bf16=false"
            )
        return {}, together[-1] > 0

    def _gradient_norm(self) -> Tensor:
        """The norm of the gradients, which are now those of all processes, clipped."""
        parameters = trained_parameters(self.optim)
        if self.processes.count > 1:
            has = torch.tensor([float(parameter.grad is not None) for parameter in parameters])
            used = self.processes.total(has).tolist()
            parameters = [parameter for parameter, users in zip(parameters, used, strict=True) if users]
            for parameter in parameters:
                if parameter.grad is None:  # another process has some
                    parameter.grad = torch.zeros_like(parameter)
            self.processes.add_up([parameter.grad for parameter in parameters if parameter.grad is not None])
        return torch.nn.utils.clip_grad_norm_(parameters, self.config.optim.clip)


def fit(
    task: Task[B],
    config: LoopConfig,
    *,
    out: Path,
    processes: Processes,
    resume: bool,
    from_step: int | None = None,
    workers: int,
    log: Callable[[str], None],
) -> tuple[Learner[B], FitReport]:
    """The learner after the last step, and what the steps came to.

    Raises:
        KeyboardInterrupt: the run was asked to stop, and has written a checkpoint of its last whole step.
        ReirError: gradients were not finite too many times in a row.
        UsageError: ``resume`` finds no checkpoint, or one of another run.
    """
    learner = Learner(task, config, processes)
    first, before = 0, 0.0
    if resume:
        saved = load_checkpoint(out, config, step=from_step)
        learner.load(saved)
        first, before = saved["step"], saved["seconds"]
        log(f"goes on from step {first}")
        if (number := saved.get("processes", processes.count)) != processes.count:
            log(f"it had {number} processes and has {processes.count} now: from here on it sees other batches")
    if processes.leads:
        write_settings(out, config)
    steps = config.optim.steps
    reports = _Reports(learner, out, first=first, before=before, log=log) if processes.leads else None
    window = _Window(processes)
    stop = False
    loader = iter(_loader(task, config, processes, first=first, workers=workers))
    with Interruption() as interruption:
        for step in range(first, steps):
            rate = set_learning_rate(learner.optim, config.optim, step)
            batches = [next(loader) for _ in range(config.optim.accumulate)]
            parts, stop = learner.step(step, batches, asked=interruption.asked)
            window.add(parts)
            done = step + 1
            if done % config.log_every == 0 or done == steps:
                means = window.means()
                if reports is not None:
                    reports.losses(done, {**means, "learning_rate": rate})
            stop = stop or (processes.count == 1 and interruption.asked)
            if reports is not None:
                if done % config.checkpoint_every == 0 or done == steps or stop:
                    reports.checkpoint(done)
                if done % config.validate_every == 0 or done == steps:
                    reports.validate(done)
            if stop and done < steps:
                log(f"stopped after step {done}; go on with --resume")
                processes.wait()  # a launcher ends all once the first has left, and one may still be writing
                raise KeyboardInterrupt
    if reports is not None and first >= steps:  # it was stopped after its last checkpoint
        reports.validate(first)
    report = FitReport({}, 0.0, learner.skipped) if reports is None else reports.close()
    return learner, report


class _Reports(Generic[B]):
    """What the leading process tells and writes."""

    def __init__(
        self, learner: Learner[B], out: Path, *, first: int, before: float, log: Callable[[str], None]
    ) -> None:
        self._learner, self._out, self._first, self._before, self._log = learner, out, first, before, log
        self._config = learner.config
        self._journal = Journal(out, first=first, tensorboard=self._config.tensorboard)
        self._started = time.perf_counter()
        self._measured: dict[str, Any] = {}

    def _seconds(self) -> float:
        return self._before + time.perf_counter() - self._started

    def losses(self, done: int, means: dict[str, float]) -> None:
        pictures = self._learner.task.pictures * self._config.optim.accumulate * self._learner.processes.count
        rate = (done - self._first) * pictures / (time.perf_counter() - self._started)
        shown = " ".join(f"{name} {value:.3g}" for name, value in means.items())
        skipped = f" ({self._learner.skipped} skipped)" if self._learner.skipped else ""
        self._log(
            f"step {done}/{self._config.optim.steps}{skipped} {self._seconds() / 60:.1f} min "
            f"{rate:.3g} pictures/s: {shown}"
        )
        extra = {"pictures_per_second": rate, "skipped": float(self._learner.skipped)}
        if self._learner.processes.device.type == "cuda":
            extra["memory_gb"] = torch.cuda.max_memory_allocated() / 2**30
        self._journal.losses(done, {**means, **extra})

    def checkpoint(self, done: int) -> None:
        state = {**self._learner.state(), "seconds": self._seconds()}
        save_checkpoint(self._out, self._config, done, state, keep=self._config.keep_checkpoints)
        self._log(f"checkpoint at {done}")

    def validate(self, done: int) -> None:
        (_, ships), *others = self._learner.networks().items()
        self._measured = self._learner.task.validate(ships)
        for name, network in others:
            if measured := self._learner.task.validate(network):
                self._measured |= {name: measured}
        if self._measured:
            self._journal.validation(done, self._seconds(), self._measured)
            self._log(f"validation at {done}: {json.dumps(self._measured)}")

    def close(self) -> FitReport:
        self._journal.close()
        return FitReport(self._measured, self._seconds(), self._learner.skipped)


class _Window:
    """Sums of the parts of the loss since the last report, kept on the device: reading them would wait for it."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._sums: dict[str, Tensor] = {}
        self._steps = 0

    def add(self, parts: dict[str, Tensor]) -> None:
        if parts:
            self._steps += 1
        for name, value in parts.items():
            self._sums[name] = self._sums.get(name, torch.zeros_like(value)) + value

    def means(self) -> dict[str, float]:
        """Means over steps; a part's values on all processes are shares of one, the gradient's norm is the same."""
        names = sorted(self._sums)  # processes may have come upon them in different order
        if not names:
            return {}
        own = torch.stack([self._sums[name].double() for name in names])
        total = self._processes.total(own).tolist()
        means = {name: value / self._steps for name, value in zip(names, total, strict=True)}
        means["gradient"] /= self._processes.count
        means = {name: means[name] for name in self._sums}
        self._sums, self._steps = {}, 0
        return means


class _Numbers(Sampler[int]):
    """Numbers of the batches that are left for one process, in order: pure in (step, batch of the step, process)."""

    def __init__(self, first: int, last: int, processes: Processes) -> None:
        self._range = range(first * processes.count + processes.rank, last * processes.count, processes.count)

    def __iter__(self) -> Iterator[int]:
        return iter(self._range)

    def __len__(self) -> int:
        return len(self._range)


def _loader(task: Task[B], config: LoopConfig, processes: Processes, *, first: int, workers: int) -> DataLoader[B]:
    each = config.optim.accumulate
    return DataLoader(
        task.batches,
        sampler=_Numbers(first * each, config.optim.steps * each, processes),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=6 if workers else None,
        worker_init_fn=_leave_signals_to_the_run,
        # Scene graphs are large; a forked worker shares them, and it computes nothing in parallel.
        multiprocessing_context="fork" if workers else None,
    )


def _leave_signals_to_the_run(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(list(numbers)).generate_state(1)[0])
