"""A fine-tuning run, from its configuration to a model folder that ``load_model`` takes."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reir.data import load_dataset
from reir.models.device import resolve_device
from reir.training.checkpoint import load_checkpoint, save_checkpoint
from reir.training.journal import environment
from reir.training.loop_config import OptimConfig
from reir.training.optimiser import parameter_groups
from reir.training.referring.config import ReferringConfig
from reir.training.referring.folder import write_model_folder
from reir.training.referring.objective import detector_losses, total_loss
from reir.training.referring.pictures import (
    ReferredPicture,
    batch_rows,
    read_pixels,
    referred_pictures,
    steps_per_epoch,
)
from reir.training.referring.start import Start, make_start, set_training
from reir.training.runner import TrainReport
from reir.training.schedule import learning_rate

_RESUMABLE: dict[str, set[str] | bool] = {"optim": {"epochs"}, "checkpoint_every": True}


def train(
    config: ReferringConfig,
    *,
    out: Path,
    resume: bool = False,
    device: str = "auto",
    log: Callable[[str], None] = print,
) -> TrainReport:
    """Fine-tune a detector on referring expressions and write the model folder ``out/model``.

    The order of the pictures and the choice of their expressions are functions of the seed and the step, so that a
    resumed run sees what the whole run would have seen. Losses of each epoch are appended to ``out/epochs.jsonl``.

    Raises:
        DatasetError: the data set or a picture of it is not there.
        UsageError: weights or a tower that cannot be used, or ``resume`` finds no checkpoint of this run.
        WeightsMissingError: public weights that are not on this machine.
    """
    where = resolve_device(device)
    images = Path(config.data.images).expanduser() if config.data.images is not None else None
    dataset = load_dataset(config.data.dataset, images=images)
    pictures = referred_pictures(dataset, limit=config.data.pictures)
    out.mkdir(parents=True, exist_ok=True)
    facts = {**environment(), **{name: version(name) for name in ("torchvision", "open_clip_torch")}}
    (out / "config.json").write_text(json.dumps({"config": config.model_dump(), **facts}, indent=1))
    torch.manual_seed(config.seed)
    start = make_start(config, folder=out, device=device)
    for module in start.modules:
        module.to(where)
    per_epoch = steps_per_epoch(len(pictures), config.optim.pictures)
    steps = config.optim.epochs * per_epoch
    optim = torch.optim.AdamW(parameter_groups(start.modules, config.optim.weight_decay), lr=config.optim.learning_rate)
    first, before = 0, 0.0
    epoch: list[dict[str, float]] = []
    epochs = out / "epochs.jsonl"
    if resume:
        saved = load_checkpoint(out, config, resumable=_RESUMABLE)
        for module, state in zip(start.modules, saved["modules"], strict=True):
            module.load_state_dict(state)
        optim.load_state_dict(saved["optim"])
        first, before, epoch = saved["step"], saved["seconds"], saved["epoch"]
        # The stopped run may have come further than its checkpoint.
        known = epochs.read_text().splitlines(keepends=True) if epochs.exists() else []
        epochs.write_text("".join(known[: first // per_epoch]))
    else:
        epochs.unlink(missing_ok=True)
    schedule = OptimConfig(steps=steps, **config.optim.model_dump(include={"learning_rate", "final_share", "warmup"}))
    set_training(start, frozen_norms=config.detector.weights != "none")
    started = time.perf_counter()
    for step in range(first, steps):
        for group in optim.param_groups:
            group["lr"] = learning_rate(schedule, step)
        rows = batch_rows(len(pictures), size=config.optim.pictures, seed=config.seed, step=step)
        epoch.append(_step(start, optim, [pictures[row] for row in rows], config, step, where))
        done = step + 1
        seconds = before + time.perf_counter() - started
        if done % 20 == 0 or done == steps:
            log(f"step {done}/{steps} {seconds / 60:.1f} min: {_shown(_means(epoch[-20:]))}")
        if done % per_epoch == 0:
            record = {"epoch": done // per_epoch, "steps": len(epoch), "seconds": round(seconds, 1), **_means(epoch)}
            with epochs.open("a") as file:
                file.write(json.dumps(record) + "\n")
            epoch = []
        if done % config.checkpoint_every == 0 or done == steps:
            states = {"modules": [module.state_dict() for module in start.modules], "optim": optim.state_dict()}
            save_checkpoint(out, config, done, {**states, "seconds": seconds, "epoch": epoch})
            log(f"checkpoint at {done}")
    folder = write_model_folder(
        out / "model",
        kind=config.kind,
        config=start.config,
        detector=start.detector,
        tower=start.tower.name,
        predictor=start.predictor,
    )
    seconds = before + time.perf_counter() - started
    return TrainReport(folder, {}, steps, config.optim.epochs * len(pictures), seconds)


def _step(
    start: Start,
    optim: torch.optim.Optimizer,
    pictures: list[ReferredPicture],
    config: ReferringConfig,
    step: int,
    device: torch.device,
) -> dict[str, float]:
    """Losses of one optimisation step, by name, with their weighted sum as ``loss``."""
    # Sampling of anchors and regions follows the step too.
    torch.manual_seed(config.seed * 1_000_003 + step)
    read = [read_pixels(picture, config.detector.max_size) for picture in pictures]
    texts: list[Tensor] = []
    if start.predictor is not None:
        rng = np.random.default_rng([config.seed, 1, step])
        chosen = [[words[rng.integers(len(words))] for words in picture.expressions] for picture in pictures]
        vectors = torch.from_numpy(start.tower.encode_texts([text for words in chosen for text in words])).to(device)
        texts = list(vectors.split([len(words) for words in chosen]))
    losses = detector_losses(
        start.detector,
        start.predictor,
        [pixels.to(device, non_blocking=True) for pixels, _ in read],
        [boxes.to(device) for _, boxes in read],
        texts,
        bf16=config.optim.bf16,
    )
    loss = total_loss(losses, config.loss)
    optim.zero_grad(set_to_none=True)
    loss.backward()
    parameters = [parameter for group in optim.param_groups for parameter in group["params"]]
    norm = torch.nn.utils.clip_grad_norm_(parameters, config.optim.clip)
    if math.isfinite(float(norm)):  # one bad batch must not end a run of hours
        optim.step()
    return {"loss": float(loss.detach()), **{name: float(value.detach()) for name, value in losses.items()}}


def _means(losses: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(sum(row[name] for row in losses) / len(losses), 5) for name in losses[0]}


def _shown(values: dict[str, Any]) -> str:
    return " ".join(f"{name} {value:.3f}" for name, value in values.items())
