"""Checkpoint folders of CLARE: written by training, read by ``ClareModel``."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from reir.errors import ReirError, UsageError
from reir.models.clare.builder import build_clare
from reir.models.clare.config import ClareConfig
from reir.models.clare.network import Clare
from reir.models.clare.siglip import architecture_settings
from reir.models.clare.tokenizer import ClareTokenizer

WEIGHTS = "model.safetensors"
TEXT_BRANCH = "text.onnx"
TOKENIZER = "tokenizer.json"
CONFIG = "config.json"
ARCHITECTURE = "architecture.json"
"""open_clip's settings of the towers, so that a folder can be read where open_clip does not know them."""
PRIOR = "prior.json"
"""Settings of the CLIP Prior, where there is one; its frozen weights are with the others."""


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
    path = _checked(folder, WEIGHTS, config)
    architecture = None
    if ARCHITECTURE in config["sha256"]:
        architecture = json.loads(_checked(folder, ARCHITECTURE, config).read_text())
    prior = json.loads(_checked(folder, PRIOR, config).read_text()) if PRIOR in config["sha256"] else None
    network = build_clare(
        network_config(config["network"]), vocabulary_size=config["vocabulary"], architecture=architecture, prior=prior
    )
    network.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
    return network


def _checked(folder: Path, name: str, config: dict[str, Any]) -> Path:
    path = folder / name
    if not path.is_file() or file_sha256(path) != config["sha256"][name]:
        raise UsageError(f"{path} is missing or not the file that {CONFIG} names. Install or copy the checkpoint again")
    return path


class _TextBranch(nn.Module):
    """Token ids and mask to T: what the exported text branch computes."""

    def __init__(self, network: Clare) -> None:
        super().__init__()
        self.network = network

    def forward(self, token_ids: Tensor, token_mask: Tensor) -> Tensor:
        return self.network.encode_text(token_ids, token_mask).embedding


def export_text_branch(network: Clare, path: Path) -> None:
    """Write the text branch as ONNX, for any number of expressions of any length, with its weights in float16.

    Every expert is computed and the top-k is a mask, so that the graph has no data-dependent shape.
    """
    token_ids = torch.tensor([[2, 3, 4, 5], [2, 3, 0, 0]])
    with warnings.catch_warnings():
        # Checks of sizes that are the same for every input.
        warnings.filterwarnings("ignore", message="Converting a tensor to a Python boolean")
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
    _store_halves(path)


def _store_halves(path: Path) -> None:
    """Rewrite a graph with its large constants in float16, each behind a cast that is done once, when it is loaded.

    Only constants that float16 holds exactly, as rounded weights are: the answers stay the same.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(str(path))
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        half = values.astype(np.float16)
        if values.size < 1024 or not np.array_equal(half, values):
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, str(path))


def save_checkpoint_folder(
    folder: Path,
    network: Clare,
    config: ClareConfig,
    tokenizer: ClareTokenizer,
    *,
    serving: dict[str, Any],
    notice: str | None,
    card: str,
    architecture: Mapping[str, Any] | None = None,
    prior: Mapping[str, Any] | None = None,
) -> None:
    """Write a checkpoint folder: weights in float16, the exported text branch, tokenizer, sizes and model card.

    The text branch is exported from the float16 weights, so that torch and ONNX Runtime answer alike. Around SigLIP
    the folder also holds the settings of the towers, ``architecture``, by default those that open_clip has; with a CLIP
    Prior, its settings ``prior``.

    Raises:
        ReirError: weights are not finite, or too large for float16.
        ValueError: the tokenizer has more tokens than the text tower.
    """
    half = {
        name: tensor.detach().cpu().half().contiguous() if tensor.is_floating_point() else tensor.cpu()
        for name, tensor in network.state_dict().items()
    }
    wrong = [name for name, tensor in half.items() if not tensor.isfinite().all()]
    if wrong:
        raise ReirError(f"the training went wrong: {len(wrong)} weights are not finite in float16, as {wrong[0]}")
    files = [WEIGHTS, TEXT_BRANCH, TOKENIZER]
    folder.mkdir(parents=True, exist_ok=True)
    if config.vision != "conv":
        architecture = architecture or architecture_settings(config.vision)
        tokens = int(architecture["text_cfg"]["vocab_size"])
        if tokenizer.vocabulary_size > tokens:
            raise ValueError(f"{config.vision} has {tokens} tokens, the tokenizer {tokenizer.vocabulary_size}")
        (folder / ARCHITECTURE).write_text(json.dumps(architecture, indent=1) + "\n")
        files.append(ARCHITECTURE)
    if prior is not None:
        (folder / PRIOR).write_text(json.dumps(prior, indent=1) + "\n")
        files.append(PRIOR)
    save_file(half, folder / WEIGHTS)
    rounded = build_clare(config, vocabulary_size=tokenizer.vocabulary_size, architecture=architecture, prior=prior)
    rounded.load_state_dict({name: tensor.float() for name, tensor in half.items()})
    export_text_branch(rounded, folder / TEXT_BRANCH)
    tokenizer.save(folder / TOKENIZER)
    description = {
        "format": 1,
        "network": asdict(config),
        "vocabulary": tokenizer.vocabulary_size,
        "serving": serving,
        "notice": notice,
        "sha256": {name: file_sha256(folder / name) for name in files},
    }
    (folder / CONFIG).write_text(json.dumps(description, indent=1) + "\n")
    (folder / "README.md").write_text(card)
