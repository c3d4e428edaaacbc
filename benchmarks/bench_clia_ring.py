"""CLIA over several processes, by the ring, against one matrix in one process: how exact, and what it costs.

Each process has texts and objects of its own, of unequal numbers. The loss and its gradients (texts, objects, t, b)
of the ring are compared with those of the whole matrix in one process, in float32 and in float64; the figure is the
largest difference of an element over the largest element of its tensor, and one above ``TOLERATED`` is a failure. The
peer is the plain form, with all features in one place and all logits at once, on one thread as each process.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import socket
import sys
import tempfile
import time
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from machine import print_machine

from reir.losses import clia_loss, ring_clia_loss

TOLERATED = {"float32": 1e-4, "float64": 1e-12}


def part(rank: int, arguments: argparse.Namespace, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Texts, objects and labels of a process; every later one has a tenth fewer texts and more objects."""
    generator = torch.Generator().manual_seed(rank)
    texts = round(arguments.texts * 0.9**rank)
    objects = round(arguments.objects * 1.1**rank)

    def unit(count: int) -> Tensor:
        rows = torch.randn(count, arguments.width, generator=generator, dtype=torch.float64)
        return torch.nn.functional.normalize(rows, dim=-1).to(dtype)

    text, features = unit(texts), unit(objects)
    labels = torch.full((texts, objects), -1, dtype=torch.int8)
    labels[torch.arange(texts), torch.randint(objects, (texts,), generator=generator)] = 1
    return text, features, labels


def one_process(rank: int, port: int, out: str, arguments: argparse.Namespace) -> None:
    """The ring's loss and gradients on one process, and the seconds of a step."""
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=arguments.processes)
    found: dict[str, list[Tensor]] = {}
    for name, dtype in (("float32", torch.float32), ("float64", torch.float64)):
        text, features, labels = part(rank, arguments, dtype)
        leaves = [text, features, torch.tensor(10.0, dtype=dtype), torch.tensor(-8.0, dtype=dtype)]
        leaves = [leaf.requires_grad_() for leaf in leaves]
        dist.barrier()
        started = time.perf_counter()
        loss = ring_clia_loss(
            *leaves,
            labels,
            abroad=torch.full((len(text),), -1),
            offered=torch.ones(len(features), dtype=torch.bool),
            chunk=arguments.chunk,
        )
        loss.backward()
        seconds = torch.tensor(time.perf_counter() - started)
        found[name] = [loss.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None), seconds]
    torch.save(found, Path(out) / f"{rank}.pt")
    dist.destroy_process_group()


def plain(arguments: argparse.Namespace, dtype: torch.dtype) -> list[Tensor]:
    """Loss and gradients of the whole matrix in one process, and the seconds."""
    parts = [part(rank, arguments, dtype) for rank in range(arguments.processes)]
    text = torch.cat([one[0] for one in parts]).requires_grad_()
    features = torch.cat([one[1] for one in parts]).requires_grad_()
    labels = torch.full((len(text), len(features)), -1, dtype=torch.int8)
    row = column = 0
    for _, objects, own in parts:
        labels[row : row + len(own), column : column + len(objects)] = own
        row, column = row + len(own), column + len(objects)
    scale = torch.tensor(10.0, dtype=dtype, requires_grad=True)
    bias = torch.tensor(-8.0, dtype=dtype, requires_grad=True)
    started = time.perf_counter()
    loss = clia_loss(scale * text @ features.T + bias, labels)
    loss.backward()
    seconds = torch.tensor(time.perf_counter() - started)
    gradients = [leaf.grad for leaf in (text, features, scale, bias) if leaf.grad is not None]
    return [loss.detach(), *gradients, seconds]


def main() -> None:
    """Run the processes and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--texts", type=int, default=128, help="of the first process")
    parser.add_argument("--objects", type=int, default=7200, help="of the first process: 8 pictures of 900 queries")
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--chunk", type=int, default=4096)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print_machine(["torch"], seed=0)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as out:
        multiprocessing.set_forkserver_preload(["torch", "reir.losses"])
        torch.multiprocessing.start_processes(
            one_process, args=(port, out, arguments), nprocs=arguments.processes, start_method="forkserver"
        )
        ranks = [torch.load(Path(out) / f"{rank}.pt") for rank in range(arguments.processes)]
    for name, dtype in (("float32", torch.float32), ("float64", torch.float64)):
        expected = plain(arguments, dtype)
        each = [rank[name] for rank in ranks]
        ours = [
            torch.stack([one[0] for one in each]).sum(),
            torch.cat([one[1] for one in each]),
            torch.cat([one[2] for one in each]),
            torch.stack([one[3] for one in each]).sum(),
            torch.stack([one[4] for one in each]).sum(),
        ]
        differences = {
            what: float((mine - theirs).abs().max() / theirs.abs().max())
            for what, mine, theirs in zip(("loss", "texts", "objects", "t", "b"), ours, expected, strict=False)
        }
        shown = ", ".join(f"{what} {value:.1e}" for what, value in differences.items())
        print(f"{name}: largest relative difference {max(differences.values()):.1e} ({shown})")
        if not all(value <= TOLERATED[name] for value in differences.values()):
            raise SystemExit(f"{name}: the ring and the matrix differ by more than {TOLERATED[name]:.0e}")
        ring, whole = max(float(one[5]) for one in each), float(expected[5])
        print(f"{name}: ring {ring:.2f} s a process, one matrix {whole:.2f} s, ratio {ring / whole:.2f}", flush=True)


if __name__ == "__main__":
    main()
