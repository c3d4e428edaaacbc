"""CLIA over several processes against one matrix in one process, forward and backward."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from reir.losses import abroad_clia_sum, clia_loss, clia_sum, focal_sum, ring_clia_loss
from tests.processes import run_together

WIDTH = 6
SIZES = [(5, 9), (3, 4), (4, 13)]
"""Texts and objects of each process."""
IDLE = [(0, 9), (3, 0), (4, 2)]
"""A process without texts, one without objects."""


def part(rank: int, sizes: list[tuple[int, int]]) -> dict[str, Tensor]:
    """The texts, objects and labels of a process, in double precision."""
    generator = torch.Generator().manual_seed(rank)
    texts, objects = sizes[rank]

    def unit(count: int) -> Tensor:
        rows = torch.randn(count, WIDTH, generator=generator, dtype=torch.float64)
        return torch.nn.functional.normalize(rows, dim=-1).requires_grad_()

    return {
        "text": unit(texts),
        "features": unit(objects),
        "labels": torch.randint(-1, 2, (texts, objects), generator=generator),
        "abroad": -torch.randint(0, 2, (texts,), generator=generator),
        "offered": torch.rand(objects, generator=generator) < 0.7,
    }


def scalars() -> tuple[Tensor, Tensor]:
    scale = torch.tensor(10.0, dtype=torch.float64, requires_grad=True)
    return scale, torch.tensor(-8.0, dtype=torch.float64, requires_grad=True)


def whole_labels(parts: list[dict[str, Tensor]]) -> Tensor:
    """The labels of every text for every object of all processes, as one process would have them."""
    rows = []
    for rank, mine in enumerate(parts):
        blocks = [
            mine["labels"] if rank == other else mine["abroad"][:, None] * theirs["offered"][None].long()
            for other, theirs in enumerate(parts)
        ]
        rows.append(torch.cat(blocks, dim=1))
    return torch.cat(rows)


def one_process(out: str) -> None:
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    found = {}
    for name, sizes in (("sizes", SIZES), ("idle", IDLE)):
        mine = part(rank, sizes)
        scale, bias = scalars()
        loss = ring_clia_loss(scale=scale, bias=bias, chunk=4, **mine)
        loss.backward()
        again, (scale_again, bias_again) = part(rank, sizes), scalars()
        logits = scale_again * again["text"] @ again["features"].T + bias_again
        offered = again["features"][again["offered"]]
        focal = focal_sum(logits, again["labels"]) + abroad_clia_sum(
            again["text"], offered, scale_again, bias_again, again["abroad"], chunk=4, pair_sum=focal_sum
        )
        focal.backward()
        found[name] = {
            "siglip": (loss.detach(), mine["text"].grad, mine["features"].grad, scale.grad, bias.grad),
            "focal": (focal.detach(), again["text"].grad, again["features"].grad, scale_again.grad),
        }
    torch.save(found, Path(out) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("count", [2, 3])
def test_equals_one_matrix_in_one_process(count, tmp_path):
    run_together(one_process, count, str(tmp_path))
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in range(count)]
    for name, sizes in (("sizes", SIZES), ("idle", IDLE)):
        parts = [part(rank, sizes) for rank in range(count)]
        text = torch.cat([one["text"] for one in parts]).detach().requires_grad_()
        features = torch.cat([one["features"] for one in parts]).detach().requires_grad_()
        labels = whole_labels(parts)
        for kind in ("siglip", "focal"):
            text.grad = features.grad = None
            scale, bias = scalars()
            logits = scale * text @ features.T + bias
            loss = clia_loss(logits, labels) if kind == "siglip" else focal_sum(logits, labels)
            loss.backward()
            ours = [rank[name][kind] for rank in found]
            torch.testing.assert_close(sum(one[0] for one in ours), loss.detach())
            torch.testing.assert_close(torch.cat([one[1] for one in ours]), text.grad)
            torch.testing.assert_close(torch.cat([one[2] for one in ours]), features.grad)
            torch.testing.assert_close(sum(one[3] for one in ours), scale.grad)
            assert float(loss.detach()) > 0
            assert text.grad.abs().sum() > 0
            assert features.grad.abs().sum() > 0


def test_the_sum_is_the_loss_before_its_division():
    mine = part(0, SIZES)
    logits = 10 * mine["text"] @ mine["features"].T - 8
    positives = (mine["labels"] > 0).sum()
    assert positives > 1
    torch.testing.assert_close(clia_sum(logits, mine["labels"]) / positives, clia_loss(logits, mine["labels"]))
