"""What a smoke run starts from: the smoke run of the stage before, made where there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reir.training.checkpoint import NAME
from reir.training.config import TrainConfig, load_config, preset_names
from reir.training.processes import join_processes
from reir.training.relating.config import RelatingConfig
from reir.training.run import train


def make_start(
    config: TrainConfig | RelatingConfig, *, cache: Path, workers: int, device: str, log: Callable[[str], None]
) -> None:
    """Run the smoke form of the preset that a smoke run starts from, unless its folder has a finished run."""
    if config.start is None or (config.start / "model").is_dir():
        return
    name = config.start.name.removesuffix("-smoke")
    if name not in preset_names() or (config.start / NAME).is_file():
        return  # told by the run itself
    before = load_config(name)
    assert isinstance(before, TrainConfig)
    join_processes(device).wait()  # all have looked before one writes
    log(f"first the smoke run of {name}")
    train(before.smoke(), out=config.start, cache=cache, workers=workers, device=device, log=log)
