"""What the small trainings of the benchmarks share: rates, groups, a run that goes on, and what it prints."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.small_training import (
    Progress,
    learning_rate,
    parameter_groups,
    resume,
    save_checkpoint,
    set_learning_rate,
)


def run(path: Path, steps: int, *, stop: int) -> nn.Module:
    """A network after ``stop`` of so many steps, gone on from the checkpoint at ``path``."""
    torch.manual_seed(0)
    network = nn.Linear(3, 2)
    optim = torch.optim.AdamW(parameter_groups(network.parameters(), 0.1), lr=1.0)
    parts = {"network": network, "optim": optim}
    for step in range(resume(path, parts), stop):
        set_learning_rate(optim, learning_rate(0.1, step, steps, warmup=2))
        loss = network(torch.full((1, 3), float(step))).square().sum()
        optim.zero_grad(set_to_none=True)
        loss.backward()
        optim.step()
        save_checkpoint(path, parts, step + 1)
    return network


def test_the_rate_rises_to_the_peak_and_falls_to_a_fiftieth() -> None:
    rates = [learning_rate(0.5, step, 12, warmup=4) for step in range(13)]
    assert rates[:5] == pytest.approx([0.125, 0.25, 0.375, 0.5, 0.5])
    assert rates[8] == pytest.approx(0.5 * 0.51)
    assert rates[12] == pytest.approx(0.01)
    assert rates[4:] == sorted(rates[4:], reverse=True)


def test_only_matrices_decay() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    decayed, plain = parameter_groups(network.parameters(), 0.05)
    assert [list(p.shape) for p in decayed["params"]] == [[4, 3, 3, 3], [2, 4]]
    assert [list(p.shape) for p in plain["params"]] == [[4], [4], [4], [2]]
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.05, 0.0)


def test_a_run_in_two_halves_is_the_whole_run(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole.pt", 6, stop=6)
    run(tmp_path / "halves.pt", 6, stop=3)
    halves = run(tmp_path / "halves.pt", 6, stop=6)
    assert torch.equal(whole.weight, halves.weight)
    assert torch.equal(whole.bias, halves.bias)
    saved = torch.load(tmp_path / "halves.pt", weights_only=True)
    assert list(saved) == ["network", "optim", "step"]
    assert saved["step"] == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["halves.pt", "whole.pt"]


def test_progress_tells_means_since_it_last_did(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(9, every=3, digits=2)
    for done in range(2, 10):  # a run that goes on after its first step
        progress.add(done, {"box": torch.tensor(float(done)), "mask": torch.tensor(0.5)})
    assert capsys.readouterr().out.splitlines() == [
        "step 3/9 0.0 min: box 2.50 mask 0.50",
        "step 6/9 0.0 min: box 5.00 mask 0.50",
        "step 9/9 0.0 min: box 8.00 mask 0.50",
    ]
