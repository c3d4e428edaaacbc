"""The model folder that a run writes: ``rcnn-clip:FOLDER`` or ``rpn-clip:FOLDER``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor, nn

from reir.models.detector_clip.detector import DetectorConfig
from reir.models.detector_clip.predictor import ClipPredictor
from reir.training.referring.config import ReferringKind

DETECTOR_FILE = "detector.safetensors"
PREDICTOR_FILE = "predictor.safetensors"
TOWER_FOLDER = "tower"


def write_model_folder(
    folder: Path,
    *,
    kind: ReferringKind,
    config: DetectorConfig,
    detector: nn.Module,
    tower: str,
    predictor: ClipPredictor | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Path:
    """The folder, written: weights, ``config.json``, and a copy of the tower where that is a folder.

    ``tower`` is a folder or open_clip's ``ARCH__PRETRAINED``, which is kept by its name; ``settings`` replace defaults
    of the model's options.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_file(_tensors(detector), folder / DETECTOR_FILE)
    if predictor is not None:
        save_file(_tensors(predictor), folder / PREDICTOR_FILE)
    if Path(tower).is_dir():
        shutil.rmtree(folder / TOWER_FOLDER, ignore_errors=True)
        shutil.copytree(tower, folder / TOWER_FOLDER, ignore=_not_of_a_tower)
        tower = TOWER_FOLDER
    record = {
        "format": 1,
        "model": kind,
        "detector": {**config.to_json(), "weights": DETECTOR_FILE},
        "tower": tower,
        "predictor": None if predictor is None else {"weights": PREDICTOR_FILE},
        "settings": dict(settings or {}),
    }
    # Last: a folder with it is whole.
    (folder / "config.json").write_text(json.dumps(record, indent=1))
    return folder


def _not_of_a_tower(_: str, names: list[str]) -> list[str]:
    """What a training run may have left beside a tower: arrays and checkpoints."""
    return [name for name in names if name == "checkpoint.pt" or name.endswith((".npy", ".tmp"))]


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
