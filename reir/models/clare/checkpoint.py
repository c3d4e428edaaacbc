"""Checkpoint folders of CLARE: written by training, read by ``ClareModel``."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from reir.errors import UsageError
from reir.models.clare.builder import build_clare
from reir.models.clare.config import ClareConfig
from reir.models.clare.network import Clare
from reir.text import WordTokenizer

WEIGHTS = "model.safetensors"
TEXT_BRANCH = "text.onnx"
TOKENIZER = "tokenizer.json"
CONFIG = "config.json"


def file_sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def network_config(values: dict[str, Any]) -> ClareConfig:
    """The network's sizes from their JSON form, where tuples are lists."""
    return ClareConfig(**{key: _tuples(value) for key, value in values.items()})


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def load_network(folder: Path, config: dict[str, Any]) -> Clare:
    """The network of a checkpoint folder, float32, on the CPU.

    Raises:
        UsageError: the weights are not those that ``config.json`` was written with.
    """
    path = folder / WEIGHTS
    if not path.is_file() or file_sha256(path) != config["sha256"][WEIGHTS]:
        raise UsageError(f"{path} is missing or not the file that {CONFIG} names. Install or copy the checkpoint again")
    network = build_clare(network_config(config["network"]), vocabulary_size=config["vocabulary"])
    network.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
    return network


class _TextBranch(nn.Module):
    """Token ids and mask to T: what the exported text branch computes."""

    def __init__(self, network: Clare) -> None:
        super().__init__()
        self.network = network

    def forward(self, token_ids: Tensor, token_mask: Tensor) -> Tensor:
        return self.network.encode_text(token_ids, token_mask).embedding


def export_text_branch(network: Clare, path: Path) -> None:
    """Write the text branch as ONNX, for any number of expressions of any length.

    Every expert is computed and the top-k is a mask, so that the graph has no data-dependent shape.
    """
    token_ids = torch.tensor([[2, 3, 4, 5], [2, 3, 0, 0]])
    torch.onnx.export(
        _TextBranch(network).eval().float().cpu(),
        (token_ids, token_ids != 0),
        str(path),
        input_names=["token_ids", "token_mask"],
        output_names=["embedding"],
        dynamic_axes={
            "token_ids": {0: "expressions", 1: "tokens"},
            "token_mask": {0: "expressions", 1: "tokens"},
            "embedding": {0: "expressions"},
        },
        opset_version=17,
        dynamo=False,
    )


def save_checkpoint_folder(
    folder: Path,
    network: Clare,
    config: ClareConfig,
    tokenizer: WordTokenizer,
    *,
    serving: dict[str, Any],
    notice: str | None,
    card: str,
) -> None:
    """Write a checkpoint folder: weights in float16, the exported text branch, tokenizer, sizes and model card.

    The text branch is exported from the float16 weights, so that torch and ONNX Runtime answer alike.
    """
    folder.mkdir(parents=True, exist_ok=True)
    half = {
        name: tensor.detach().cpu().half().contiguous() if tensor.is_floating_point() else tensor.cpu()
        for name, tensor in network.state_dict().items()
    }
    save_file(half, folder / WEIGHTS)
    rounded = build_clare(config, vocabulary_size=tokenizer.vocabulary_size)
    rounded.load_state_dict({name: tensor.float() for name, tensor in half.items()})
    export_text_branch(rounded, folder / TEXT_BRANCH)
    tokenizer.save(folder / TOKENIZER)
    description = {
        "format": 1,
        "network": asdict(config),
        "vocabulary": tokenizer.vocabulary_size,
        "serving": serving,
        "notice": notice,
        "sha256": {name: file_sha256(folder / name) for name in (WEIGHTS, TEXT_BRANCH, TOKENIZER)},
    }
    (folder / CONFIG).write_text(json.dumps(description, indent=1) + "\n")
    (folder / "README.md").write_text(card)
