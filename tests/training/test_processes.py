"""Two processes against one that accumulates: the same steps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reir.training.loop import _Window, fit
from reir.training.processes import Processes, _buckets, join_processes
from tests.processes import run_together
from tests.training.line_task import LineTask, settings


def one_process(out: str) -> None:
    processes = join_processes("cpu")
    task = LineTask()
    folder = Path(out) / str(processes.rank)
    folder.mkdir()
    _, report = fit(task, settings(), out=folder, processes=processes, resume=False, workers=0, log=lambda _: None)
    torch.save([p.detach() for p in task.network.parameters()], Path(out) / f"{processes.rank}.pt")
    parameter = torch.nn.Parameter(torch.zeros(3))
    gradients = [torch.full((3,), float(processes.rank)), torch.ones(2, 2)]
    processes.add_up([parameter.detach(), *gradients])
    assert gradients[0].tolist() == [1.0, 1.0, 1.0]
    assert float(gradients[1].sum()) == 8.0
    assert report.seconds > 0 or not processes.leads
    window = _Window(processes)
    parts = {"l1": torch.tensor(1.0), "giou": torch.tensor(5.0), "gradient": torch.tensor(2.0)}
    window.add(parts if processes.leads else dict(reversed(parts.items())))
    assert window.means() == {"l1": 2.0, "giou": 10.0, "gradient": 2.0}


def test_two_processes_take_the_steps_of_one_that_accumulates_two_batches(tmp_path):
    together = tmp_path / "together"
    together.mkdir()
    run_together(one_process, 2, str(together))
    task = LineTask()
    alone = Processes(torch.device("cpu"))
    config = settings(optim={"accumulate": 2})
    fit(task, config, out=tmp_path, processes=alone, resume=False, workers=0, log=lambda _: None)
    for rank in range(2):
        for ours, theirs in zip(task.network.parameters(), torch.load(together / f"{rank}.pt"), strict=True):
            torch.testing.assert_close(ours.detach(), theirs)
    assert (together / "0" / "checkpoint.pt").is_file()
    assert not any((together / "1").iterdir())


def test_messages_are_of_bounded_size(monkeypatch):
    monkeypatch.setattr("reir.training.processes.BUCKET", 10)
    sizes = [[tensor.numel() for tensor in bucket] for bucket in _buckets([torch.zeros(n) for n in (4, 5, 2, 30, 1)])]
    assert sizes == [[4, 5], [2], [30], [1]]


def test_one_process_alone_joins_nobody(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    alone = join_processes("cpu")
    assert (alone.rank, alone.count, alone.leads) == (0, 1, True)
    values = torch.ones(2)
    assert alone.total(values) is values


def test_several_processes_need_accelerate(monkeypatch):
    from reir.errors import MissingPackageError

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("reir.training.processes.find_spec", lambda _: None)
    with pytest.raises(MissingPackageError, match=r"accelerate.*reir\[train\]"):
        join_processes("cpu")
