"""Checkpoint folders of VATEX: written by training, read by the stage and the grounder.

A folder holds ``config.json`` (sizes, the tower's name and digest, hashes) and ``model.safetensors`` (the network in
float16, without what is frozen). The frozen CLIP stands in ``tower/`` where it is small; else it is found by its name,
and must have the digest on record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from reir.errors import ReirError, UsageError
from reir.models.hub import compute_sha256
from reir.models.towers import TowerSource
from reir.models.towers.source import CHECKPOINTS, CONFIG_FILE
from reir.models.vatex.builder import VatexParts, new_vatex
from reir.models.vatex.description import CONFIG, FORMAT, TOWER, WEIGHTS, read_config, read_description

SMALL_TOWER = 64_000_000
"""Bytes of a frozen CLIP up to which it is stored with the network: CLIP's own published ones are ten times larger."""

_FROZEN = "text.transformer."


def save_vatex(
    folder: Path, parts: VatexParts, *, notice: str | None = None, training: Mapping[str, Any] | None = None
) -> None:
    """Write a checkpoint folder; ``training`` is what is to be told of how it came to be, as JSON.

    Raises:
        ReirError: weights are not finite, or too large for float16.
    """
    frozen = parts.network.text.frozen
    state = {
        name: _halved(tensor)
        for name, tensor in parts.network.state_dict().items()
        if not (frozen and name.startswith(_FROZEN))
    }
    wrong = [name for name, tensor in state.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if wrong:
        raise ReirError(f"the training went wrong: {len(wrong)} weights are not finite in float16, as {wrong[0]}")
    folder.mkdir(parents=True, exist_ok=True)
    save_file(state, folder / WEIGHTS)
    description = {
        "format": FORMAT,
        "network": asdict(parts.config),
        "tower": None if parts.source is None else _keep_tower(folder / TOWER, parts),
        "notice": notice,
        "training": dict(training or {}),
        "sha256": {WEIGHTS: compute_sha256(folder / WEIGHTS)},
    }
    (folder / CONFIG).write_text(json.dumps(description, indent=1) + "\n")


def load_vatex(folder: Path) -> VatexParts:
    """The parts of a checkpoint folder, float32, for inference, on the CPU.

    Raises:
        UsageError: the folder is no checkpoint of VATEX, or its files do not fit each other.
        WeightsMissingError: the frozen CLIP is not here; the message names the command that fetches it.
    """
    description = read_description(folder)
    config = read_config(description)
    tower = description["tower"]
    if tower is not None:
        inside = folder / TOWER
        config = replace(config, tower=str(inside) if inside.is_dir() else tower["name"])
    weights = folder / WEIGHTS
    if not weights.is_file() or compute_sha256(weights) != description["sha256"][WEIGHTS]:
        raise UsageError(f"{weights} is missing or not the file that {CONFIG} names. Copy the checkpoint again")
    parts = new_vatex(config)
    if parts.source is not None and parts.source.digest() != tower["digest"]:
        raise UsageError(
            f"the tower {parts.source.name} is not the one that {folder} was trained with: its digest differs"
        )
    state = {name: tensor.float() for name, tensor in load_file(weights).items()}
    frozen = parts.network.text.frozen
    wanted = {n for n in parts.network.state_dict() if not (frozen and n.startswith(_FROZEN))}
    if set(state) != wanted:
        raise UsageError(f"{weights} does not hold the weights that {CONFIG} describes. Copy the checkpoint again")
    parts.network.load_state_dict(state, strict=False)
    parts.network.eval().requires_grad_(False)
    return parts


def _halved(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().cpu()
    return tensor.half().contiguous() if tensor.is_floating_point() else tensor


def _keep_tower(folder: Path, parts: VatexParts) -> dict[str, str]:
    """The record of the frozen CLIP, which is copied to ``folder`` where it is small."""
    source = parts.source
    assert source is not None
    assert parts.clip is not None
    if source.weights.stat().st_size > SMALL_TOWER:
        return {"name": source.name, "digest": source.digest()}
    folder.mkdir(exist_ok=True)
    model = {**source.model_config}
    if source.quick_gelu:
        model["quick_gelu"] = True
    whole = {"model_cfg": model, "preprocess_cfg": asdict(source.preprocess)}
    (folder / CONFIG_FILE).write_text(json.dumps(whole, indent=1) + "\n")
    save_file(
        {name: t.detach().cpu().contiguous() for name, t in parts.clip.state_dict().items()}, folder / CHECKPOINTS[0]
    )
    return {"name": source.name, "digest": TowerSource.find(str(folder)).digest()}
