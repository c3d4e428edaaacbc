"""The losses of both methods: Faster R-CNN's four, the classifier's over other classes in each.

``rcnn-clip`` tells the objects that expressions refer to from all else: one class and background. ``rpn-clip`` tells
them from each other: the classes of a picture are background and one expression of each of its referred objects, by the
tower's embedding, and a region's class is the object that it overlaps by an IoU of at least 0.5.

*Differs from the paper*: it names no loss for either detector. Ours are those of torchvision's Faster R-CNN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.roi_heads import fastrcnn_loss

from reir.models.detector_clip.predictor import ClipPredictor
from reir.training.referring.config import ReferringLoss


def detector_losses(
    detector: GeneralizedRCNN,
    predictor: ClipPredictor | None,
    images: Sequence[Tensor],
    boxes: Sequence[Tensor],
    texts: Sequence[Tensor],
    *,
    bf16: bool = False,
) -> dict[str, Tensor]:
    """The losses of a batch by the names of ``ReferringLoss``.

    ``images`` (3, h, w) in [0, 1], ``boxes`` (N, 4) of each in its pixels, ``texts`` (N, E) unit embeddings of one
    expression of each box; without a predictor they are not looked at. With ``bf16`` the backbone runs in bfloat16;
    region pooling knows float32 alone.
    """
    parts: Any = detector
    ones = [torch.ones(len(rows), dtype=torch.int64, device=rows.device) for rows in boxes]
    labels = ones if predictor is None else [torch.arange(1, len(rows) + 1, device=rows.device) for rows in boxes]
    targets = [{"boxes": rows, "labels": classes} for rows, classes in zip(boxes, labels, strict=True)]
    batch, targets = parts.transform(list(images), targets)
    pixels = batch.tensors.contiguous(memory_format=torch.channels_last)
    with torch.autocast(pixels.device.type, dtype=torch.bfloat16, enabled=bf16):
        maps = parts.backbone(pixels)
    maps = {level: values.float() for level, values in maps.items()}
    proposals, rpn = parts.rpn(batch, maps, targets)
    found = {"objectness": rpn["loss_objectness"], "rpn_box": rpn["loss_rpn_box_reg"]}
    heads = parts.roi_heads
    proposals, _, classes, shifts = heads.select_training_samples(proposals, targets)
    features = heads.box_head(heads.box_roi_pool(maps, proposals, batch.image_sizes))
    if predictor is None:
        logits, deltas = heads.box_predictor(features)
        classifier, box = fastrcnn_loss(logits, deltas, classes, shifts)
        return {**found, "classifier": classifier, "box": box}
    embeddings = predictor.embed(features).split([len(rows) for rows in proposals])
    # Pictures have classes of their own, and so a softmax of their own.
    of_pictures = [
        F.cross_entropy(predictor.logits(rows, of_picture), wanted, reduction="sum")
        for rows, of_picture, wanted in zip(embeddings, texts, classes, strict=True)
    ]
    regions = max(len(features), 1)
    classifier = torch.stack(of_pictures).sum() / regions
    objects = torch.cat(classes) > 0
    moved = predictor.regress(features)[objects]
    box = F.smooth_l1_loss(moved, torch.cat(shifts)[objects], beta=1 / 9, reduction="sum") / regions
    return {**found, "classifier": classifier, "box": box}


def total_loss(losses: dict[str, Tensor], weights: ReferringLoss) -> Tensor:
    """The weighted sum."""
    return torch.stack([getattr(weights, name) * value for name, value in losses.items()]).sum()
