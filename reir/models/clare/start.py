"""Starting weights from published checkpoints: SigLIP for the towers, Deformable DETR for encoder and decoder.

The paper starts from both (section 5.2); what no checkpoint has, MORE and the projection to the shared space above
all, keeps its random weights and is listed.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file
from torch import Tensor

from reir.errors import UsageError
from reir.models.clare.keys import KeyTable, fitted, rename
from reir.models.clare.network import Clare
from reir.models.clare.published import OPEN_CLIP, TRANSFORMERS_SIGLIP, deformable_detr_table
from reir.models.clare.released import FIRST_KEY, released_table
from reir.models.hub import find_folder
from reir.models.towers.openclip_registry import architectures
from reir.models.towers.source import CONFIG_FILE, TowerSource

WEIGHT_FILES: Final = ("model.safetensors", "pytorch_model.bin")
"""Names under which transformers keeps a model's weights."""

_REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w.-]+")
"""Names on the hub: an owner and a repository."""


@dataclass(frozen=True, slots=True)
class StartReport:
    """What became of every weight: names of the network that were loaded or are new, keys of files left over."""

    loaded: tuple[str, ...]
    new: tuple[str, ...]
    left_over: tuple[str, ...]

    def summary(self) -> str:
        """A few lines: the parts that are new and those left over, each with its number of tensors."""
        return (
            f"loaded: {len(self.loaded)} tensors\n"
            f"new, with random weights: {_parts(self.new) or 'nothing'}\n"
            f"left over in the files: {_parts(self.left_over) or 'nothing'}"
        )


def load_start_weights(network: Clare, *, siglip: str | None, detector: str | None) -> StartReport:
    """What was loaded into ``network``, in place, from published checkpoints, what is new, and what is left over.

    ``siglip`` is ``ARCH__PRETRAINED`` of open_clip (``ViT-B-16-SigLIP-384__webli``), a folder in open_clip's layout, or
    a folder or hub repository of transformers' ``SiglipModel``; its towers must fit in whole. ``detector`` is a folder
    or hub repository of transformers' ``DeformableDetrForObjectDetection`` with two stages and box refinement
    (``SenseTime/deformable-detr-with-box-refine-two-stage``), or a file of weights of the authors' released code
    (``reir.models.clare.released``), whose towers are taken too; its encoder and decoder must fit in whole, its first
    stage, box heads and projections are taken where their shapes agree. *Differs from Deformable DETR:* the norm after
    a projection is a layer norm here, so that norm is new. Nothing is fetched.

    Raises:
        UsageError: a file is damaged, another model's, or one of other sizes.
        WeightsMissingError: not on this machine; the message says how to get it.
    """
    state: dict[str, Tensor] = {}
    left_over: list[str] = []
    ours = network.state_dict()
    if siglip is not None:
        path, table = _find_siglip(siglip)
        taken, rest = _fit(read_weights(path), table, ours)
        _require(path, "SigLIP of this network", ours, taken, ("visual.backbone.trunk.", "text.tower."))
        state |= taken
        left_over += [f"siglip: {key}" for key in rest]
    if detector is not None:
        path = _find_detector(detector)
        weights = read_weights(path)
        layers = len({name.split(".")[3] for name in ours if name.startswith("visual.decoder.layers.")})
        table = released_table(layers) if FIRST_KEY in weights else deformable_detr_table(layers)
        taken, rest = _fit(weights, table, ours)
        _require(path, "Deformable DETR", ours, taken, ("visual.encoder.", "visual.decoder.layers."))
        state |= taken
        left_over += [f"detector: {key}" for key in rest]
    network.load_state_dict(state, strict=False)
    new = tuple(name for name in ours if name not in state)
    return StartReport(tuple(state), new, tuple(left_over))


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by their names, on the CPU.

    Raises:
        UsageError: it is damaged or holds something else.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # safetensors, zip and pickle each have errors of their own for a wrong file
        cause = " ".join(str(error).split())[:200]
        raise UsageError(f"{path} is damaged or no file of weights ({cause}). Copy it again") from error
    for wrapper in ("state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    tensors = {str(key): value for key, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        raise UsageError(f"{path} holds no weights")
    return tensors


def _fit(
    weights: Mapping[str, Tensor], table: KeyTable, ours: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors of a file that the network has a place for, and the names of the others."""
    renamed = rename(weights, table)
    taken = {}
    rest = renamed.left_over
    for name, tensor in renamed.tensors.items():
        fits = fitted(tensor, ours[name]) if name in ours else None
        if fits is None:
            rest.append(f"{name} {tuple(tensor.shape)}")
        else:
            taken[name] = fits
    return taken, rest


def _require(
    path: Path, what: str, ours: Mapping[str, Tensor], taken: Mapping[str, Tensor], prefixes: tuple[str, ...]
) -> None:
    wanted = [name for name in ours if name.startswith(prefixes)]
    if not wanted:
        raise UsageError(f"the network has no place for {what}: its backbone is another")
    missing = [name for name in wanted if name not in taken]
    if missing:
        shown = ", ".join(f"{name} {tuple(ours[name].shape)}" for name in missing[:3])
        raise UsageError(
            f"{path} is not {what} with this network's sizes: of {len(wanted)} tensors {len(missing)} are missing or "
            f"have another shape, as {shown}"
        )


def _find_siglip(name: str) -> tuple[Path, KeyTable]:
    if "__" in name or (Path(name).expanduser() / CONFIG_FILE).is_file():
        return TowerSource.find(name).weights, OPEN_CLIP
    if name in architectures():
        raise UsageError(f"{name} is an architecture of open_clip: name its weights too, as {name}__webli")
    return _transformers_weights(name, "siglip"), TRANSFORMERS_SIGLIP


def _find_detector(name: str) -> Path:
    path = Path(name).expanduser()
    return path if path.is_file() else _transformers_weights(name, "deformable_detr")


def _transformers_weights(name: str, kind: str) -> Path:
    """The file of weights in a folder of transformers, or in a hub repository's on this machine."""
    folder = Path(name).expanduser()
    if not folder.is_dir():
        if not _REPOSITORY.fullmatch(name):
            raise UsageError(f"no file or folder {folder}")
        folder = find_folder(name, patterns=["config.json"])
    try:
        found = json.loads((folder / "config.json").read_text())["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder} is no model of transformers: it has no config.json with a model_type") from error
    if found != kind:
        raise UsageError(f"{folder} holds a {found}, not a {kind}")
    for file in WEIGHT_FILES:
        if (folder / file).is_file():
            return folder / file
    raise UsageError(f"{folder} holds no {' or '.join(WEIGHT_FILES)}. Copy the folder again")


def _parts(names: Sequence[str]) -> str:
    """Names grouped by their first three parts, with how many there are of each."""
    groups = Counter(".".join(name.split(" (")[0].split(".")[:3]) for name in names)
    return ", ".join(f"{group} ({count})" for group, count in groups.items())
