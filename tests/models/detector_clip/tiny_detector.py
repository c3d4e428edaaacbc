"""Small detectors with random weights, in files and in reir model folders, and pictures for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from reir.types import Picture
from tests.models.towers.tiny_tower import save_tiny_tower

SIZE = 128
CLASSES = 4
WEIGHTS = "detector.safetensors"


def save_tiny_detector(path: Path, *, arch: str = "fasterrcnn_small", seed: int = 0) -> Path:
    """A file of random weights whose detector finds boxes of many sizes with many different scores."""
    import torch
    from safetensors.torch import save_file

    from reir.models.detector_clip.detector import DetectorConfig, build_detector

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        detector: Any = build_detector(DetectorConfig(arch, classes=CLASSES, min_size=SIZE, max_size=2 * SIZE)).eval()
        with torch.inference_mode():  # how large the features come out decides how the heads must be spread
            maps = detector.backbone(torch.rand(1, 3, SIZE, SIZE))
            scale = float(torch.cat([values.flatten() for values in maps.values()]).std())
            torch.nn.init.normal_(detector.rpn.head.cls_logits.weight, std=0.4 / scale)
            torch.nn.init.normal_(detector.rpn.head.bbox_pred.weight, std=0.1 / scale)
            torch.nn.init.normal_(detector.roi_heads.box_predictor.cls_score.weight, std=0.3 / scale)
            detector.roi_heads.box_predictor.cls_score.bias[0] = -1.5  # little is background
            torch.nn.init.normal_(detector.roi_heads.box_predictor.bbox_pred.weight, std=0.3 / scale)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in detector.state_dict().items()}, path)
    return path


def save_tiny_model(
    folder: Path, *, kind: str = "rcnn-clip", predictor: bool = False, settings: dict[str, Any] | None = None
) -> Path:
    """A reir model folder: detector, tower in a subfolder and, if asked for, a predictor."""
    save_tiny_detector(folder / WEIGHTS)
    tower = save_tiny_tower(folder / "tower")
    record = save_tiny_predictor(folder, tower) if predictor else None
    config = {
        "format": 1,
        "model": kind,
        "detector": {
            **{"arch": "fasterrcnn_small", "classes": CLASSES, "min_size": SIZE, "max_size": 2 * SIZE},
            **{"weights": WEIGHTS},
        },
        "tower": "tower",
        "predictor": record,
        "settings": settings or {},
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def save_tiny_predictor(folder: Path, tower: Path) -> dict[str, Any]:
    """The record of a predictor with random weights, saved beside the detector."""
    import torch
    from safetensors.torch import save_file

    from reir.models.detector_clip.predictor import ClipPredictor

    dimension = json.loads((tower / "open_clip_config.json").read_text())["model_cfg"]["embed_dim"]
    with torch.random.fork_rng():
        torch.manual_seed(1)
        predictor = ClipPredictor(features=256, dimension=dimension)
        torch.nn.init.normal_(predictor.boxes.weight, std=0.02)
    save_file(predictor.state_dict(), folder / "predictor.safetensors")
    return {"weights": "predictor.safetensors"}


def noise_picture(seed: int, *, width: int = 200, height: int = 150, reduced: float = 1.0) -> Picture:
    """Coloured rectangles on noise: something for random weights to tell apart."""
    rng = np.random.default_rng(seed)
    shape = (round(height * reduced), round(width * reduced), 3)
    pixels = rng.integers(0, 80, shape, dtype=np.uint8)
    for _ in range(8):
        (x0, x1), (y0, y1) = (np.sort(rng.integers(0, side, 2)) for side in (shape[1], shape[0]))
        pixels[y0 : y1 + 1, x0 : x1 + 1] = rng.integers(0, 256, 3)
    return Picture(pixels, width, height)
