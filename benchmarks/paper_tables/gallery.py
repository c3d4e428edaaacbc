"""The gallery that every row is asked about, and where each answer stands in it.

Scenes of the test split on which nothing was ever chosen, and expressions that are true of exactly one object of them
all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from reir.data.layout import make_scene
from reir.data.splits import TEST, Split
from reir.data.uniqueness import select
from reir.geometry import iou_matrix
from reir.metrics import IOUS, KS, RankCounter, Truth, place
from reir.models.clare.detect import detect
from reir.models.clare.network import Clare
from reir.text import WordTokenizer
from reir.training.scenes.cache import letterboxed_scene
from reir.training.scenes.canvases import REDUCED
from reir.training.scenes.serving import MIN_OBJECTNESS, NMS_IOU
from reir.training.scenes.validation import ValidationSet
from reir.types import FloatArray, Instances

OFFSET: Final = 5000
"""Scenes of the test split before the gallery's own; other figures of the project come from those."""
SCENES: Final = 500
QUOTA: Final = 300
"""At most so many expressions of one kind."""
TOGETHER: Final = 32
"""Pictures in one forward pass."""


@dataclass(frozen=True)
class Answers:
    """Of each of Q expressions: the rank of the true picture and of its best instance there, and that one's IoU."""

    image_rank: npt.NDArray[np.int64]
    instance_rank: npt.NDArray[np.int64]
    top_iou: npt.NDArray[np.float64]

    def figures(self) -> dict[str, float]:
        """BoxRecall by protocol *official*, Recall of pictures, Precision@0.5 inside the true picture, in per cent."""
        found: dict[str, float] = {}
        for iou in IOUS:
            right = self.top_iou > iou
            for k in KS:
                found[f"br{k}_{iou:g}"] = _percent(right & (self.instance_rank < k))
        found |= {f"image_recall{k}": _percent(self.image_rank < k) for k in KS}
        return found | {"precision_0.5": _percent(self.top_iou > 0.5)}


def make_gallery(count: int = SCENES, *, split: Split = TEST, offset: int = OFFSET) -> ValidationSet:
    """Scenes on the reduced canvases, and expressions that are true of one object of them all, every kind as often."""
    scenes = [make_scene(seed) for seed in split.seeds(count, offset)]
    letterboxes = [letterboxed_scene(scene, sorted(REDUCED.values()), 1.5) for scene in scenes]
    truth = []
    for scene, letterbox in zip(scenes, letterboxes, strict=True):
        width, height = scene.size_units
        to_pixels = np.array([letterbox.width / width, letterbox.height / height] * 2)
        truth.append((np.array([item.box for item in scene.objects]) * to_pixels).astype(np.float32))
    kept = select(scenes, seed=0, quota=QUOTA).unique
    return ValidationSet(
        letterboxes,
        truth,
        [item.expression.text for item in kept],
        np.array([item.scene for item in kept], dtype=np.int64),
        np.array([truth[item.scene][item.target] for item in kept], dtype=np.float32).reshape(-1, 4),
    )


def by_shape(gallery: ValidationSet) -> list[list[int]]:
    """Pictures of one canvas shape, few enough for one forward pass."""
    members: dict[tuple[int, ...], list[int]] = {}
    for i, letterbox in enumerate(gallery.letterboxes):
        members.setdefault(letterbox.pixels.shape, []).append(i)
    return [some[i : i + TOGETHER] for some in members.values() for i in range(0, len(some), TOGETHER)]


def ask_clare(network: Clare, tokenizer: WordTokenizer, gallery: ValidationSet) -> tuple[Answers, dict[str, Any]]:
    """Answers of a network, with the share of objects that it boxed (``boxes_found``) and their ``mean_iou``."""
    network.eval()
    found: dict[int, Instances] = {}
    for members in by_shape(gallery):
        letterboxes = [gallery.letterboxes[i] for i in members]
        instances = detect(network, letterboxes, min_objectness=MIN_OBJECTNESS, nms_iou=NMS_IOU)
        found |= dict(zip(members, instances, strict=True))
    ids, mask = tokenizer.encode(gallery.expressions)
    with torch.inference_mode():
        encoded = [
            network.encode_text(torch.from_numpy(ids[i : i + 256]), torch.from_numpy(mask[i : i + 256])).embedding
            for i in range(0, len(ids), 256)
        ]
    best = np.concatenate([iou_matrix(gallery.truth[i], found[i].boxes).max(axis=1) for i in found])
    right = best[best > 0.5]
    detection = {"boxes_found": _percent(best > 0.5), "mean_iou": 100 * float(right.mean()) if len(right) else 0.0}
    return place_all(torch.cat(encoded).float().numpy(), found, gallery), detection


def place_all(queries: FloatArray, found: Mapping[int, Instances], gallery: ValidationSet) -> Answers:
    """Answers of instances by picture, for query vectors (Q, D) of the gallery's expressions."""
    placements = []
    for query, picture, box in zip(queries, gallery.expression_picture, gallery.expression_box, strict=True):
        own = found[int(picture)]
        pictures = np.full(len(own.boxes), picture)
        truth = Truth(np.array([picture]), box[None])
        placements.append(place(query, truth, pictures, own.boxes, own.vectors, ious=IOUS))
    counter = RankCounter(queries, placements, ious=IOUS, depth=max(KS))
    for picture, instances in found.items():
        counter.add(np.full(len(instances.boxes), picture), instances.vectors)
    ranks = counter.ranks()
    return Answers(ranks.image, ranks.official, ranks.top_iou)


def ask_two_stages(pictures: Answers, objects: Answers) -> Answers:
    """Answers of a ranking of ``pictures`` and then of one box in each of them, by the network of ``objects``.

    The k-th answer is the box in the k-th picture, so that a box has its picture's rank.
    """
    return Answers(pictures.image_rank, pictures.image_rank, objects.top_iou)


def _percent(right: npt.NDArray[np.bool_]) -> float:
    return 100 * float(right.mean())
