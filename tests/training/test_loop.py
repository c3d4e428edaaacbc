"""The loop on the smallest task: resuming, accumulating, skipping, stopping, and what it writes."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from reir.errors import ReirError, UsageError
from reir.training.average import WeightAverage
from reir.training.checkpoint import finished_run, kept_checkpoints
from reir.training.config import TrainConfig
from reir.training.journal import Journal
from reir.training.loop import FitReport, Learner, fit
from reir.training.processes import Processes
from tests.training.line_task import LineTask, settings

ALONE = Processes(torch.device("cpu"))


def run(
    out: Path, config: TrainConfig | None = None, task: LineTask | None = None, **options: Any
) -> tuple[Learner[Any], FitReport]:
    out.mkdir(exist_ok=True)
    options = {"resume": False, "log": lambda _: None, **options}
    return fit(task or LineTask(), config or settings(), out=out, processes=ALONE, workers=0, **options)


def same(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


def newest(out: Path) -> dict[str, Any]:
    saved: dict[str, Any] = torch.load(out / "checkpoint.pt", weights_only=True)
    return {key: value for key, value in saved.items() if key != "seconds"}


@pytest.mark.parametrize("step", [3, 4, 5])
def test_from_any_kept_checkpoint_a_run_is_the_run_that_was_never_stopped(tmp_path, step):
    run(tmp_path)
    whole = newest(tmp_path)
    lines = [(tmp_path / name).read_text() for name in ("losses.jsonl", "validation.jsonl")]
    run(tmp_path, task=LineTask(seed=9), resume=True, from_step=step)
    assert same(newest(tmp_path), whole)
    steps = [[json.loads(line)["step"] for line in text.splitlines()] for text in lines]
    assert steps == [[2, 4, 6], [3, 6]]
    again = [
        [json.loads(line)["step"] for line in (tmp_path / name).read_text().splitlines()]
        for name in ("losses.jsonl", "validation.jsonl")
    ]
    assert again == steps


def test_only_the_newest_checkpoints_are_kept_and_others_are_told(tmp_path):
    run(tmp_path)
    assert [path.name for path in kept_checkpoints(tmp_path)] == [f"checkpoint-0000000{i}.pt" for i in (3, 4, 5, 6)]
    with pytest.raises(UsageError, match="those of the steps 3, 4, 5, 6"):
        run(tmp_path, resume=True, from_step=2)
    with pytest.raises(UsageError, match=r"other settings \(optim\)"):
        run(tmp_path, settings(optim={"clip": 1.0}), resume=True)


def test_a_refused_resume_leaves_the_record_of_the_run(tmp_path):
    run(tmp_path)
    record = (tmp_path / "config.json").read_text()
    with pytest.raises(UsageError, match="other settings"):
        run(tmp_path, settings(seed=9), resume=True)
    assert (tmp_path / "config.json").read_text() == record
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    torch.save({**saved, "config": {"kind": "other"}}, tmp_path / "checkpoint.pt")
    with pytest.raises(UsageError, match="a run of another kind"):
        run(tmp_path, resume=True)


def test_a_run_that_diverges_goes_on_as_it_is_advised_and_drops_what_came_after(tmp_path):
    run(tmp_path)
    slower = settings(optim={"learning_rate": 0.01, "steps": 5})
    run(tmp_path, slower, resume=True, from_step=3)
    assert newest(tmp_path)["optim"]["param_groups"][0]["lr"] < 0.01
    assert [int(path.stem[-1]) for path in kept_checkpoints(tmp_path)] == [3, 4, 5]


def test_a_run_begun_anew_in_its_folder_keeps_its_own_checkpoints(tmp_path):
    run(tmp_path)
    run(tmp_path, settings(steps=2))
    assert [int(path.stem[-1]) for path in kept_checkpoints(tmp_path)] == [1, 2]


def test_a_run_that_was_stopped_after_its_last_checkpoint_is_measured_when_it_goes_on(tmp_path):
    _, whole = run(tmp_path)
    _, report = run(tmp_path, resume=True)
    assert report.validation == whole.validation


def test_only_a_finished_run_is_a_start(tmp_path):
    run(tmp_path)
    assert finished_run(tmp_path)["step"] == 6
    (tmp_path / "checkpoint-00000004.pt").replace(tmp_path / "checkpoint.pt")
    with pytest.raises(UsageError, match=r"step 4 of 6: finish that run first \(--out .* --resume\)"):
        finished_run(tmp_path)


def test_accumulated_batches_make_the_gradient_of_one_large_batch(tmp_path):
    """Batches 0 and 1 have 2 and 3 points: a mean of their means would be another gradient."""
    task = LineTask()
    x, y = (torch.cat(parts) for parts in zip(task.batches[0], task.batches[1], strict=True))
    expected = torch.autograd.grad((task.network(x)[:, 0] - y).square().mean(), list(task.network.parameters()))
    before = [parameter.detach().clone() for parameter in task.network.parameters()]
    optim = {"accumulate": 2, "clip": 1e9, "warmup": 0, "weight_decay": 0.0}
    learner = Learner(task, settings(optim=optim), ALONE)
    parts, _ = learner.step(0, [task.batches[0], task.batches[1]], asked=False)
    for parameter, gradient in zip(task.network.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)
    assert not torch.equal(before[0], next(task.network.parameters()))
    torch.testing.assert_close(parts["gradient"], torch.cat([g.flatten() for g in expected]).norm())


def test_steps_that_are_not_finite_change_nothing_and_end_the_run_when_they_do_not_cease(tmp_path):
    task = LineTask(wrong=frozenset({0.5 / 6, 2.5 / 6}))
    buffers = {name: value.clone() for name, value in task.network.named_buffers()}
    _, report = run(tmp_path, task=task)
    assert report.skipped == 2
    assert all(torch.isfinite(parameter).all() for parameter in task.network.parameters())
    assert same(
        dict(task.network.named_buffers()) | {"1.num_batches_tracked": 0}, buffers | {"1.num_batches_tracked": 0}
    )
    assert [json.loads(line)["skipped"] for line in (tmp_path / "losses.jsonl").read_text().splitlines()] == [1, 2, 2]
    wrong = LineTask(wrong=frozenset((step + 0.5) / 6 for step in range(6)))
    with pytest.raises(ReirError, match="not finite in 3 steps in a row, up to step 3"):
        run(tmp_path / "other", settings(optim={"skip_limit": 3}), task=wrong)


def test_ctrl_c_leaves_a_checkpoint_of_the_last_whole_step(tmp_path):
    whole = tmp_path / "whole"
    run(whole)

    def interrupt(line: str) -> None:
        if line.startswith("checkpoint at 2"):
            os.kill(os.getpid(), signal.SIGINT)

    part, before = tmp_path / "part", signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run(part, log=interrupt)
    assert newest(part)["step"] == 3
    assert signal.getsignal(signal.SIGINT) is before
    run(part, resume=True)
    assert same(newest(part), newest(whole))


def test_the_average_follows_the_weights(tmp_path):
    network = torch.nn.Linear(1, 1, bias=False)
    average = WeightAverage(network, 0.5)
    values = []
    with torch.no_grad():
        for n, weight in enumerate([2.0, 4.0, 8.0], start=1):
            network.weight.fill_(weight)
            before = float(average.network.weight.detach())  # type: ignore[operator, union-attr]
            average.update(n)
            kept = min(0.5, (1 + n) / (10 + n))
            values.append(float(average.network.weight.detach()))  # type: ignore[operator, union-attr]
            assert values[-1] == pytest.approx(kept * before + (1 - kept) * weight)
    assert values[-1] < 8.0
    learner, report = run(tmp_path)
    assert report.validation.keys() == {"weight", "last"}
    assert report.validation["weight"] != report.validation["last"]["weight"]
    assert list(learner.networks()) == ["average", "last"]
    raw, _ = run(tmp_path / "raw", settings(average={"decay": 0.9, "ships": False}))
    assert list(raw.networks()) == ["last", "average"]


def test_tensorboard_has_the_scalars(tmp_path):
    run(tmp_path, settings(tensorboard=True))
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert {"train/l1", "train/gradient", "train/learning_rate", "validation/weight"} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("train/l1")] == [2, 4, 6]


def test_a_line_that_was_cut_off_is_dropped(tmp_path):
    (tmp_path / "losses.jsonl").write_text('{"step": 1}\n{"step": 2}\n{"ste')
    Journal(tmp_path, first=1)
    assert (tmp_path / "losses.jsonl").read_text() == '{"step": 1}\n'
