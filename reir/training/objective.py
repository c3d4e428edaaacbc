"""The loss of CLARE (paper, equations 4 to 6 and appendix A.2) with the auxiliary heads of ``auxiliary``.

Shapes: L decoder layers, B pictures, M queries, G objects of the whole batch, Q texts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from reir.losses import (
    box_losses,
    clia_loss,
    gate_balance_loss,
    hungarian_match,
    iou_matrix,
    objectness_loss,
    paired_iou,
    proposal_losses,
    sigmoid_focal_loss,
)
from reir.training.scenes.auxiliary import object_losses, parse_loss

if TYPE_CHECKING:
    from reir.models.clare.network import Clare
    from reir.models.clare.outputs import TextOutput, VisualOutput
    from reir.training.batch import Batch, SceneTruth
    from reir.training.config import CliaConfig, LossConfig

DUPLICATE_IOU = 0.4
"""An unmatched prediction that overlaps an object this much is neither that object nor background."""


def total_loss(
    network: Clare,
    heads: nn.ModuleDict,
    visual: VisualOutput,
    text: TextOutput,
    batch: Batch,
    weights: LossConfig,
    clia: CliaConfig,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum, and its unweighted parts by name (for the log)."""
    device = visual.hidden.device
    pictures = visual.hidden.shape[0]
    boxes = batch.boxes_cxcywh.to(device)
    counts = torch.bincount(batch.object_picture, minlength=pictures).tolist()
    per_picture = list(boxes.split(counts))
    parts: dict[str, Tensor] = {
        "l1": boxes.new_zeros(()),
        "giou": boxes.new_zeros(()),
        "objectness": boxes.new_zeros(()),
    }
    matched = objects = torch.empty(0, dtype=torch.int64, device=device)
    layers = len(visual.boxes_cxcywh)
    for predicted, objectness in zip(visual.boxes_cxcywh.float(), visual.objectness.float(), strict=True):
        matched, objects = hungarian_match(predicted, objectness, per_picture)
        flat = predicted.flatten(0, 1)
        l1, giou = box_losses(flat[matched], boxes[objects])
        parts["l1"] = parts["l1"] + l1 / layers
        parts["giou"] = parts["giou"] + giou / layers
        iou = paired_iou(flat[matched].detach(), boxes[objects])
        target = torch.zeros_like(objectness).flatten()
        target[matched] = 0.5 + 0.5 * iou
        parts["objectness"] = parts["objectness"] + objectness_loss(objectness.flatten(), target) / layers
    parts["proposals"] = proposal_losses(
        visual.proposal_boxes_cxcywh.float(),
        visual.proposal_objectness.float(),
        visual.proposal_valid,
        visual.proposal_centres,
        per_picture,
    )
    parts |= retrieval_losses(network, visual, text, batch, matched, objects, per_picture, clia)
    if batch.scene is not None:
        parts |= scene_losses(heads, visual, text, batch.scene, matched, objects)
    parts["balance"] = gate_balance_loss(text.gates.float())
    loss = sum((getattr(weights, name) * value for name, value in parts.items()), boxes.new_zeros(()))
    return loss, parts


def scene_losses(
    heads: nn.ModuleDict, visual: VisualOutput, text: TextOutput, scene: SceneTruth, matched: Tensor, objects: Tensor
) -> dict[str, Tensor]:
    """What the auxiliary heads learn from the scene graph about matched predictions and about texts."""
    device = visual.hidden.device
    classes, relations = scene.classes.to(device), scene.relations.to(device)
    order = torch.full((len(classes),), -1, dtype=torch.int64, device=device)
    order[objects] = torch.arange(len(objects), device=device)
    relations = relations[order[relations[:, 0]] >= 0]
    relations = torch.cat([order[relations[:, :1]], relations[:, 1:]], dim=1)
    hidden = visual.hidden.float().flatten(0, 1)[matched]
    parts = object_losses(heads["objects"], hidden, classes[objects], relations)  # type: ignore[arg-type]
    return parts | {"parse": parse_loss(heads["parse"], text.sentence.float(), scene.parses.to(device))}  # type: ignore[arg-type]


def retrieval_losses(
    network: Clare,
    visual: VisualOutput,
    text: TextOutput,
    batch: Batch,
    matched: Tensor,
    objects: Tensor,
    per_picture: list[Tensor],
    clia: CliaConfig,
) -> dict[str, Tensor]:
    """CLIA over every text and prediction within its scope, focal loss over those of one picture.

    A matched prediction takes its object's labels. One that matches nothing is background, false of every text,
    unless it overlaps an object (``DUPLICATE_IOU``): then it is left out.
    """
    device = visual.hidden.device
    pictures, queries = visual.hidden.shape[:2]
    features = visual.features.float().flatten(0, 1)
    logits = network.similarity(text.embedding.float(), features)
    labels = torch.full((len(logits), pictures * queries), -1, dtype=torch.int8, device=device)
    final = visual.boxes_cxcywh[-1].detach().float()
    for b, boxes in enumerate(per_picture):
        if len(boxes):
            near = iou_matrix(final[b], boxes).amax(dim=1) > DUPLICATE_IOU
            labels[:, b * queries : (b + 1) * queries][:, near] = 0
    labels[:, matched] = batch.labels.to(device)[:, objects]
    text_picture = batch.text_picture.to(device)
    own = text_picture[:, None] * queries + torch.arange(queries, device=device)
    focal = sigmoid_focal_loss(logits.gather(1, own), labels.gather(1, own))
    if clia.scope == "none":
        return {"clia": focal.new_zeros(()), "focal": focal}
    if clia.scope != "batch":
        group = 1 if clia.scope == "picture" else clia.minibatch
        beyond = (torch.arange(pictures, device=device) // group)[None] != (text_picture // group)[:, None]
        labels = labels.masked_fill(beyond.repeat_interleave(queries, dim=1), 0)
    across = clia_loss if clia.loss == "siglip" else sigmoid_focal_loss
    return {"clia": across(logits, labels), "focal": focal}
