"""A training run, from its configuration to a checkpoint folder that ``load_model`` takes."""

from __future__ import annotations

import json
import math
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler

from reir.data.expressions import MAX_TOKENS, PARSE_RELATIONS, RELATIONS, vocabulary
from reir.data.scenes import COLOURS, SIZES
from reir.data.splits import TRAIN
from reir.errors import MissingPackageError
from reir.models.clare.builder import build_clare
from reir.models.clare.checkpoint import save_checkpoint_folder
from reir.models.clare.config import NANO, TINY, ClareConfig
from reir.models.clare.network import Clare
from reir.models.clare.pixels import normalise_pixels
from reir.text import WordTokenizer
from reir.training.batch import Batch
from reir.training.card import model_card
from reir.training.checkpoint import load_checkpoint, save_checkpoint, start_weights
from reir.training.config import TrainConfig
from reir.training.objective import total_loss
from reir.training.ranks import Ranks, join_ranks
from reir.training.scenes.auxiliary import ObjectHeads, ParseHeads
from reir.training.scenes.batches import NOUNS, SceneBatches
from reir.training.scenes.cache import build_cache, cache_key
from reir.training.scenes.canvases import CANVASES, reduced_pixels
from reir.training.scenes.serving import NOTICE, SERVING
from reir.training.scenes.validation import build_validation, validate
from reir.training.schedule import learning_rate

SIZES_OF_CLARE: dict[str, ClareConfig] = {"nano": NANO, "tiny": TINY}


class _Steps(Sampler[int]):
    """Numbers of the batches that are left for one process, in order."""

    def __init__(self, first: int, last: int, ranks: Ranks) -> None:
        self._range = range(first * ranks.count + ranks.rank, last * ranks.count, ranks.count)

    def __iter__(self) -> Iterator[int]:
        return iter(self._range)

    def __len__(self) -> int:
        return len(self._range)


@dataclass(frozen=True)
class TrainReport:
    """What a run made: the checkpoint folder, its last validation, and the seconds it took."""

    folder: Path
    validation: dict[str, Any]
    steps: int
    pictures: int
    seconds: float


def environment() -> dict[str, str]:
    """Versions, commit and machine that a run is recorded with."""
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = "unknown"
    packages = {name: version(name) for name in ("reir", "torch", "numpy", "pillow")}
    return {**packages, "python": platform.python_version(), "commit": commit, "threads": str(torch.get_num_threads())}


def parameter_groups(modules: list[nn.Module], weight_decay: float) -> list[dict[str, Any]]:
    """Matrices and kernels decay; biases, norms, embeddings of size one, t and b do not."""
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for module in modules:
        for parameter in module.parameters():
            if parameter.requires_grad:
                (decayed if parameter.ndim > 1 else plain).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]


def train(
    config: TrainConfig,
    *,
    out: Path,
    cache: Path,
    resume: bool = False,
    workers: int = 1,
    device: str = "auto",
    log: Callable[[str], None] = print,
) -> TrainReport:
    """Train CLARE on emoji scenes and write the checkpoint folder ``out/model``.

    The order of the data is a function of the seed and the step, so that a resumed run sees what the whole run
    would have seen.

    Raises:
        MissingPackageError: the text branch could not be exported at the end.
        UsageError: ``resume`` finds no checkpoint, or one of another run.
    """
    if find_spec("onnx") is None:
        raise MissingPackageError("onnx", "train")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    ranks = join_ranks(device)
    torch.manual_seed(config.seed)
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.json").write_text(json.dumps({"config": config.model_dump(mode="json"), **environment()}, indent=1))
    tokenizer = WordTokenizer.from_words(vocabulary(), max_tokens=MAX_TOKENS)
    shape = replace(SIZES_OF_CLARE[config.model], **config.network.model_dump(exclude_none=True))
    network = build_clare(shape, vocabulary_size=tokenizer.vocabulary_size)
    counts = {"nouns": len(NOUNS), "colours": len(COLOURS), "sizes": len(SIZES)}
    heads = nn.ModuleDict(
        {
            "objects": ObjectHeads(dim=shape.width, relations=len(RELATIONS), **counts),
            "parse": ParseHeads(dim=shape.text_width, relations=len(PARSE_RELATIONS), **counts),
        }
    )
    if config.start is not None and not resume:
        saved = start_weights(config.start, network)
        heads.load_state_dict(saved["heads"])
        log(f"starts from {config.start}; new: {', '.join(saved['new']) or 'nothing'}")
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    heads.to(device)
    optim = torch.optim.AdamW(
        parameter_groups([network, heads], config.optim.weight_decay),
        lr=config.optim.learning_rate,
        betas=config.optim.betas,
        fused=True,
    )
    first = 0
    elapsed_before = 0.0
    if resume:
        saved = load_checkpoint(out, config)
        network.load_state_dict(saved["network"])
        heads.load_state_dict(saved["heads"])
        optim.load_state_dict(saved["optim"])
        first, elapsed_before = saved["step"], saved["seconds"]
    if not ranks.leads:
        ranks.wait()  # the leader makes the cache
    shards = build_cache(
        cache / cache_key(config.data, CANVASES),
        first_seed=TRAIN.first,
        config=config.data,
        canvases=CANVASES,
        workers=workers,
        progress=lambda done, total: log(f"scenes: shard {done} of {total}"),
    )
    if ranks.leads:
        ranks.wait()
    validation = build_validation(config.data.validation_scenes, CANVASES)
    batches = SceneBatches(
        shards, config=config.batch, tokenizer=tokenizer, seed=config.seed, steps=config.optim.steps * ranks.count
    )
    loader = DataLoader(
        batches,
        sampler=_Steps(first, config.optim.steps, ranks),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=6 if workers else None,
        # The scene graphs are large; a forked worker shares them, and it computes nothing in parallel.
        multiprocessing_context="fork" if workers else None,
    )
    started = time.perf_counter()
    measured: dict[str, Any] = {}
    totals: dict[str, float] = {}
    for step, batch in zip(range(first, config.optim.steps), loader, strict=True):
        for group in optim.param_groups:
            group["lr"] = learning_rate(config.optim, step)
        losses = _step(network, heads, optim, batch, config, step, device, ranks)
        if not ranks.leads:
            continue
        for name, value in losses.items():
            totals[name] = totals.get(name, 0.0) + value
        done = step + 1
        seconds = elapsed_before + time.perf_counter() - started
        if done % 50 == 0 or done == config.optim.steps:
            rate = (done - first) * config.batch.pictures * ranks.count / (time.perf_counter() - started)
            shown = " ".join(f"{name} {value / min(50, done - first):.3f}" for name, value in totals.items())
            log(f"step {done}/{config.optim.steps} {seconds / 60:.1f} min {rate:.0f} pictures/s: {shown}")
            totals = {}
        if done % config.checkpoint_every == 0 or done == config.optim.steps:
            state = {"network": network.state_dict(), "heads": heads.state_dict(), "optim": optim.state_dict()}
            save_checkpoint(out, config, done, {**state, "seconds": seconds})
            log(f"checkpoint at {done}")
        if done % config.validate_every == 0 or done == config.optim.steps:
            measured = validate(network, validation, tokenizer)
            with (out / "validation.jsonl").open("a") as file:
                file.write(json.dumps({"step": done, "seconds": seconds, **measured}) + "\n")
            log(f"validation at {done}: {json.dumps(measured)}")
    seconds = elapsed_before + time.perf_counter() - started
    if ranks.leads:
        card = model_card(config, measured, environment(), seconds, processes=ranks.count)
        save_checkpoint_folder(out / "model", network, shape, tokenizer, serving=SERVING, notice=NOTICE, card=card)
    ranks.wait()
    pictures = config.optim.steps * config.batch.pictures * ranks.count
    return TrainReport(out / "model", measured, config.optim.steps, pictures, seconds)


def _step(
    network: Clare,
    heads: nn.ModuleDict,
    optim: torch.optim.Optimizer,
    batch: Batch,
    config: TrainConfig,
    step: int,
    device: str,
    ranks: Ranks,
) -> dict[str, float]:
    """Losses of one optimisation step, by name."""
    share = (step + 0.5) / config.optim.steps
    stage = next(stage for stage in config.stages if share <= stage.until)
    pixels = batch.pixels.to(device, non_blocking=True)
    images = normalise_pixels(pixels)
    if stage.reduced:
        images = reduced_pixels(images)
    network.train()
    with torch.autocast(device, dtype=torch.bfloat16, enabled=config.optim.bf16):
        visual = network.encode_images(images)
        text = network.encode_text(batch.token_ids.to(device), batch.token_mask.to(device))
    loss, parts = total_loss(network, heads, visual, text, batch, config.loss, config.clia)
    optim.zero_grad(set_to_none=True)
    loss.backward()
    parameters = [parameter for group in optim.param_groups for parameter in group["params"]]
    ranks.average_gradients(parameters)
    norm: Tensor = torch.nn.utils.clip_grad_norm_(parameters, config.optim.clip)
    if math.isfinite(float(norm)):  # one bad batch must not end a run of hours
        optim.step()
    return {name: float(value.detach()) for name, value in parts.items()}
