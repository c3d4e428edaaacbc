"""A run over decoder states, from a finished network to a checkpoint folder that ``load_model`` takes."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from reir.data.expressions import MAX_TOKENS, PARSE_RELATIONS, RELATIONS, vocabulary
from reir.data.scenes import COLOURS, SIZES
from reir.data.splits import TRAIN
from reir.errors import MissingPackageError, UsageError
from reir.models.clare.builder import build_clare
from reir.models.clare.checkpoint import file_sha256, save_checkpoint_folder
from reir.models.clare.config import TINY
from reir.models.clare.network import Clare
from reir.models.device import resolve_device
from reir.text import WordTokenizer
from reir.training.checkpoint import NAME, finished_run, load_checkpoint, save_checkpoint
from reir.training.config import DataConfig
from reir.training.journal import environment
from reir.training.loop_config import OptimConfig
from reir.training.optimiser import parameter_groups
from reir.training.relating.batches import StateBatch, StateBatches
from reir.training.relating.card import relating_card
from reir.training.relating.config import RelatingConfig
from reir.training.relating.objective import encode_by_length, relate, relating_loss
from reir.training.relating.states import build_states
from reir.training.relating.validation import build_validation_states, validate_related
from reir.training.runner import TrainReport
from reir.training.scenes.auxiliary import ObjectHeads, ParseHeads
from reir.training.scenes.batches import NOUNS
from reir.training.scenes.cache import build_cache, cache_key
from reir.training.scenes.canvases import CANVASES
from reir.training.scenes.serving import NOTICE, SERVING
from reir.training.schedule import learning_rate

_RESUMABLE: dict[str, set[str] | bool] = {
    "optim": {"steps"},
    "loss": True,
    "checkpoint_every": True,
    "validate_every": True,
}


def train(
    config: RelatingConfig,
    *,
    out: Path,
    cache: Path,
    resume: bool = False,
    workers: int = 1,
    device: str = "auto",
    log: Callable[[str], None] = print,
) -> TrainReport:
    """Train what comes after the decoder of a finished network, and write the checkpoint folder ``out/model``.

    The decoder's states of all scenes are made once, in the cache, and everything before them stays as it is: boxes
    and objectness are those of the network that the run starts from.

    Raises:
        MissingPackageError: the text branch could not be exported at the end.
        UsageError: ``start`` is no finished run, or ``resume`` finds no checkpoint of this one.
    """
    if find_spec("onnx") is None:
        raise MissingPackageError("onnx", "train")
    where = resolve_device(device).type
    torch.manual_seed(config.seed)
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.json").write_text(json.dumps({"config": config.model_dump(mode="json"), **environment()}, indent=1))
    tokenizer = WordTokenizer.from_words(vocabulary(), max_tokens=MAX_TOKENS)
    shape = replace(TINY, **config.network.model_dump())
    network = build_clare(shape, vocabulary_size=tokenizer.vocabulary_size)
    trunk = build_clare(TINY, vocabulary_size=tokenizer.vocabulary_size)
    log(f"starts from {config.start}; new: {', '.join(_start(config.start, network, trunk))}")
    counts = {"nouns": len(NOUNS), "colours": len(COLOURS), "sizes": len(SIZES)}
    heads = nn.ModuleDict(
        {
            "objects": ObjectHeads(dim=shape.state_width, relations=len(RELATIONS), **counts),
            "parse": ParseHeads(dim=shape.text_width, relations=len(PARSE_RELATIONS), **counts),
        }
    )
    for part in (network, trunk, heads):
        part.to(where)
    trained = [network.visual.relations, network.visual.instance, network.text, network.more]
    groups = parameter_groups([*trained, heads], config.optim.weight_decay)  # type: ignore[list-item]
    groups[1]["params"] += [network.log_scale, network.logit_bias]
    optim = torch.optim.AdamW(groups, lr=config.optim.learning_rate, betas=config.optim.betas, fused=True)
    first, elapsed_before = 0, 0.0
    if resume:
        saved = load_checkpoint(out, config, resumable=_RESUMABLE)
        network.load_state_dict(saved["network"])
        heads.load_state_dict(saved["heads"])
        optim.load_state_dict(saved["optim"])
        first, elapsed_before = saved["step"], saved["seconds"]

    scenes = DataConfig(**config.data.model_dump())
    key = cache_key(scenes, CANVASES)
    shards = build_cache(
        cache / key,
        first_seed=TRAIN.first,
        config=scenes,
        canvases=CANVASES,
        workers=workers,
        progress=lambda done, total: log(f"scenes: shard {done} of {total}"),
    )
    folder = cache / f"{key}-states-{file_sha256(config.start / NAME)[:12]}"
    build_states(trunk, shards, folder, device=where, progress=lambda done: log(f"states: shard {done}/{len(shards)}"))
    validation = build_validation_states(trunk, config.data.validation_scenes, CANVASES, device=where)
    batches = StateBatches(
        shards, folder, config=config.batch, tokenizer=tokenizer, seed=config.seed, steps=config.optim.steps
    )
    loader = DataLoader(
        batches,
        sampler=range(first, config.optim.steps),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=6 if workers else None,
        multiprocessing_context="fork" if workers else None,
    )
    started = time.perf_counter()
    measured: dict[str, Any] = {}
    totals: dict[str, float] = {}
    seen = 0
    rates = OptimConfig(**config.optim.model_dump())
    network.train()
    for step, batch in zip(range(first, config.optim.steps), loader, strict=True):
        for group in optim.param_groups:
            group["lr"] = learning_rate(rates, step)
        for name, value in _step(network, heads, optim, batch, config, where).items():
            totals[name] = totals.get(name, 0.0) + value
        done, seen = step + 1, seen + len(batch.hidden)
        seconds = elapsed_before + time.perf_counter() - started
        if done % 50 == 0 or done == config.optim.steps:
            rate = seen / (time.perf_counter() - started)
            shown = " ".join(f"{name} {value / min(50, done - first):.3f}" for name, value in totals.items())
            log(f"step {done}/{config.optim.steps} {seconds / 60:.1f} min {rate:.0f} pictures/s: {shown}")
            totals = {}
        if done % config.checkpoint_every == 0 or done == config.optim.steps:
            state = {"network": network.state_dict(), "heads": heads.state_dict(), "optim": optim.state_dict()}
            save_checkpoint(out, config, done, {**state, "seconds": seconds})
            log(f"checkpoint at {done}")
        if done % config.validate_every == 0 or done == config.optim.steps:
            measured = validate_related(network, validation, tokenizer, device=where)
            with (out / "validation.jsonl").open("a") as file:
                file.write(json.dumps({"step": done, "seconds": seconds, **measured}) + "\n")
            log(f"validation at {done}: {json.dumps(measured)}")
    seconds = elapsed_before + time.perf_counter() - started
    card = relating_card(config, measured, environment(), seconds)
    save_checkpoint_folder(out / "model", network, shape, tokenizer, serving=SERVING, notice=NOTICE, card=card)
    pictures = config.optim.steps * config.batch.groups * config.batch.pictures
    return TrainReport(out / "model", measured, config.optim.steps, pictures, seconds)


def _start(folder: Path, network: Clare, trunk: Clare) -> list[str]:
    """The parts of ``network`` that the finished run lacks or has in another size; ``trunk`` takes all of it."""
    saved: dict[str, Tensor] = finished_run(folder)["network"]
    try:
        trunk.load_state_dict(saved)
    except RuntimeError as error:
        raise UsageError(f"{folder} holds a network of another size: {error}") from None
    own = network.state_dict()
    fitting = {name: tensor for name, tensor in saved.items() if name in own and own[name].shape == tensor.shape}
    network.load_state_dict(fitting, strict=False)
    return sorted({".".join(name.split(".")[:2]) for name in own if name not in fitting})


def _step(
    network: Clare,
    heads: nn.ModuleDict,
    optim: torch.optim.Optimizer,
    batch: StateBatch,
    config: RelatingConfig,
    device: str,
) -> dict[str, float]:
    """Losses of one optimisation step, by name."""
    with torch.autocast(device, dtype=torch.bfloat16, enabled=config.optim.bf16):
        given = (batch.hidden.float(), batch.boxes_cxcywh, batch.objectness, batch.aspect)
        states, features = relate(network, *(tensor.to(device) for tensor in given))
        text = encode_by_length(network, batch.token_ids.to(device), batch.token_mask.to(device))
    loss, parts = relating_loss(network, heads, states, features, text, batch, config.loss)
    optim.zero_grad(set_to_none=True)
    loss.backward()
    parameters = [parameter for group in optim.param_groups for parameter in group["params"]]
    norm: Tensor = torch.nn.utils.clip_grad_norm_(parameters, config.optim.clip)
    if math.isfinite(float(norm)):  # one bad batch must not end a run
        optim.step()
    return {name: float(value.detach()) for name, value in parts.items()}
