"""Two processes that average their gradients."""

import os
import socket

import torch
from torch import nn

from reir.training.ranks import Ranks, join_ranks


def _average(rank: int, port: int) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE="2", LOCAL_RANK="0")
    ranks = join_ranks("cpu")
    assert (ranks.rank, ranks.count, ranks.leads) == (rank, 2, rank == 0)
    parameters = [nn.Parameter(torch.zeros(3, 2)), nn.Parameter(torch.zeros(4))]
    parameters[0].grad = torch.full((3, 2), float(rank))
    if rank == 1:  # the other process has no gradient here: it counts as zero
        parameters[1].grad = torch.arange(4.0)
    ranks.average_gradients(parameters)
    assert torch.equal(parameters[0].grad, torch.full((3, 2), 0.5))
    assert torch.equal(parameters[1].grad, torch.arange(4.0) / 2)
    ranks.wait()


def test_gradients_are_averaged_over_processes():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    torch.multiprocessing.spawn(_average, args=(port,), nprocs=2, join=True)


def test_one_process_alone_changes_nothing(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    ranks = join_ranks("cpu")
    assert ranks == Ranks(0, 1)
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.ones(2)
    ranks.average_gradients([parameter])
    assert torch.equal(parameter.grad, torch.ones(2))
