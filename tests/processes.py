"""A function in several processes that know of each other, as a launcher would start them."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable
from typing import Any

import torch


def run_together(function: Callable[..., None], count: int, *arguments: Any) -> None:
    """Call ``function(*arguments)`` in ``count`` processes with the variables of ``torchrun``, one thread each.

    They are forked from a server that has imported the heavy packages once.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    multiprocessing.set_forkserver_preload(["torch", "torchvision", "reir.losses"])
    torch.multiprocessing.start_processes(
        _begin, args=(function, count, port, arguments), nprocs=count, start_method="forkserver"
    )


def _begin(rank: int, function: Callable[..., None], count: int, port: int, arguments: tuple[Any, ...]) -> None:
    os.environ.update(
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(count),
        LOCAL_WORLD_SIZE=str(count),
        OMP_NUM_THREADS="1",
    )
    torch.set_num_threads(1)
    function(*arguments)
