"""What a benchmark prints before its figures: machine, versions, commit, seed."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path


def processor() -> str:
    """The processor's name as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if line[:10] == "model name"
        ]
        if names:
            return names[0]
    return platform.processor() or platform.machine()


def commit() -> str:
    """The commit of the working tree, with a plus sign where files differ from it."""
    folder = Path(__file__).parent
    asked = [["git", "rev-parse", "--short", "HEAD"], ["git", "status", "--porcelain", "--untracked-files=no"]]
    answers = [subprocess.run(ask, cwd=folder, capture_output=True, text=True, check=False) for ask in asked]
    if answers[0].returncode != 0:
        return "unknown"
    return answers[0].stdout.strip() + ("+" if answers[1].stdout.strip() else "")


def print_machine(packages: Sequence[str], *, seed: int | None = None) -> None:
    """Print the header of a benchmark's report, one fact a line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    print(
        f"machine   {processor()}, {len(os.sched_getaffinity(0))} usable cores, {memory:.0f} GiB, {platform.platform()}"
    )
    print(f"load      {os.getloadavg()[0]:.1f} before the run")
    print(f"versions  Python {platform.python_version()}, " + ", ".join(f"{p} {metadata.version(p)}" for p in packages))
    print(f"commit    {commit()}" + ("" if seed is None else f", seed {seed}"))
