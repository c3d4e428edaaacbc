"""How a network does while it trains: detection and retrieval on scenes of the validation split, all in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from reir.data.layout import make_scene
from reir.data.splits import VALIDATION
from reir.data.uniqueness import unique_expressions
from reir.geometry import iou_matrix
from reir.imaging.letterbox import Letterbox
from reir.metrics import box_recall_from_arrays
from reir.models.clare.detect import detect
from reir.models.clare.network import Clare
from reir.text import WordTokenizer
from reir.training.scenes.cache import letterboxed_scene
from reir.training.scenes.serving import MIN_OBJECTNESS, NMS_IOU
from reir.types import Instances


@dataclass(frozen=True)
class ValidationSet:
    """Letterboxed scenes and expressions that are true of exactly one object of them all."""

    letterboxes: list[Letterbox]
    truth: list[npt.NDArray[np.float32]]
    """Boxes (N, 4) of each scene in pixels of its letterbox's original."""
    expressions: list[str]
    expression_picture: npt.NDArray[np.int64]
    expression_box: npt.NDArray[np.float32]


def build_validation(count: int, canvases: list[tuple[int, int]], *, scale: float = 1.5) -> ValidationSet:
    """The first ``count`` scenes of the validation split; never of the test split."""
    scenes = [make_scene(seed) for seed in VALIDATION.seeds(count)]
    letterboxes = [letterboxed_scene(scene, canvases, scale) for scene in scenes]
    truth = []
    for scene, letterbox in zip(scenes, letterboxes, strict=True):
        width, height = scene.size_units
        to_pixels = np.array([letterbox.width / width, letterbox.height / height] * 2)
        truth.append((np.array([item.box for item in scene.objects]) * to_pixels).astype(np.float32))
    kept = unique_expressions(scenes, seed=0)
    return ValidationSet(
        letterboxes,
        truth,
        [item.expression.text for item in kept],
        np.array([item.scene for item in kept], dtype=np.int64),
        np.array([truth[item.scene][item.target] for item in kept], dtype=np.float32).reshape(-1, 4),
    )


def validate(network: Clare, data: ValidationSet, tokenizer: WordTokenizer, *, kept: int = 30) -> dict[str, Any]:
    """BoxRecall (both protocols), share of boxes found, and mean IoU of those found."""
    was_training = network.training
    network.eval()
    device = next(network.parameters()).device
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for i, letterbox in enumerate(data.letterboxes):
        by_shape.setdefault(letterbox.pixels.shape, []).append(i)
    found: dict[int, Instances] = {}
    for members in by_shape.values():
        for start in range(0, len(members), 32):
            chunk = members[start : start + 32]
            letterboxes = [data.letterboxes[i] for i in chunk]
            instances = detect(network, letterboxes, min_objectness=MIN_OBJECTNESS, nms_iou=NMS_IOU)
            found |= dict(zip(chunk, instances, strict=True))
    ids, mask = tokenizer.encode(data.expressions)
    with torch.inference_mode():
        queries = network.encode_text(torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)).embedding
    network.train(was_training)
    recall = box_recall_from_arrays(
        queries.float().cpu().numpy(),
        data.expression_picture,
        data.expression_box,
        np.concatenate([found[i].vectors[:kept] for i in found]),
        np.concatenate([found[i].boxes[:kept] for i in found]),
        np.concatenate([np.full(len(found[i].boxes[:kept]), i) for i in found]),
    )
    best = np.concatenate([iou_matrix(data.truth[i], found[i].boxes[:kept]).max(axis=1) for i in found])
    right = best[best > 0.5]
    return {
        "boxes_found": len(right) / max(len(best), 1),
        "mean_iou": float(right.mean()) if len(right) else 0.0,
        **recall,
    }
