"""The loss of CLARE (paper, equations 4 to 6 and appendix A.2) with the auxiliary heads of ``auxiliary``.

Shapes: L decoder layers, B pictures, M queries, G objects of the whole batch, Q texts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from reir.losses import (
    abroad_clia_sum,
    box_losses,
    clia_sum,
    denoising_loss,
    focal_sum,
    gate_balance_loss,
    hungarian_match,
    iou_matrix,
    objectness_loss,
    paired_iou,
    proposal_losses,
    sigmoid_focal_loss,
)
from reir.training.batch import GALLERY, OPEN, PICTURE
from reir.training.consistency import consistency_loss
from reir.training.scenes.auxiliary import object_losses, parse_loss
from reir.training.shares import WHOLE, Shares

if TYPE_CHECKING:
    from reir.models.clare.network import Clare
    from reir.models.clare.outputs import TextOutput, VisualOutput
    from reir.training.batch import Batch, SceneTruth
    from reir.training.config import CliaConfig, LossConfig, MccConfig

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
    *,
    mcc: MccConfig | None = None,
    shares: Shares = WHOLE,
    processes: int = 1,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum of a batch's share of a step, and its unweighted parts by name (for the log).

    With several ``processes``, CLIA over the whole batch compares with the objects of all of them; each must call this.
    Without ``mcc`` there is no such part.
    """
    device = visual.hidden.device
    pictures = visual.hidden.shape[0]
    boxes = batch.boxes_cxcywh.to(device)
    complete = None if batch.complete is None else batch.complete.to(device)
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
        counted = None
        if complete is not None:  # what matches nothing is background only where every object has its box
            counted = complete[:, None].expand_as(objectness).flatten() | (target > 0)
        parts["objectness"] = parts["objectness"] + objectness_loss(objectness.flatten(), target, counted) / layers
    parts["proposals"] = proposal_losses(
        visual.proposal_boxes_cxcywh.float(),
        visual.proposal_objectness.float(),
        visual.proposal_valid,
        visual.proposal_centres,
        per_picture,
        complete,
    )
    parts |= retrieval_losses(network, visual, text, batch, matched, objects, per_picture, clia, processes=processes)
    if mcc is not None and mcc.features != "none":
        parts["mcc"] = consistency_loss(network, visual, text, batch, mcc)
    if visual.denoised is not None:
        denoised = visual.denoised
        parts["denoising"] = denoising_loss(denoised.boxes_cxcywh, denoised.targets_cxcywh, denoised.valid)
    if batch.scene is not None:
        parts |= scene_losses(heads, visual, text, batch.scene, matched, objects)
    parts["balance"] = gate_balance_loss(text.gates.float())
    parts = {name: value * shares.of(name) for name, value in parts.items()}
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
    *,
    processes: int = 1,
) -> dict[str, Tensor]:
    """CLIA over every text and prediction within its scope, focal loss over those of one picture."""
    pictures, queries = visual.hidden.shape[:2]
    features = visual.features.float().flatten(0, 1)
    embedding = text.embedding.float()
    labels = prediction_labels(visual, batch, matched, objects, per_picture)
    text_picture = batch.text_picture.to(labels.device)
    own = text_picture[:, None] * queries + torch.arange(queries, device=labels.device)
    logits = network.similarity(embedding, features)
    focal = sigmoid_focal_loss(logits.gather(1, own), labels.gather(1, own))
    if clia.scope == "none":
        return {"clia": focal.new_zeros(()), "focal": focal}
    if clia.scope != "batch":
        group = 1 if clia.scope == "picture" else clia.minibatch
        beyond = (torch.arange(pictures, device=labels.device) // group)[None] != (text_picture // group)[:, None]
        labels = labels.masked_fill(beyond.repeat_interleave(queries, dim=1), 0)
    pair_sum = clia_sum if clia.loss == "siglip" else focal_sum
    total = pair_sum(logits, labels)
    if clia.scope == "batch" and processes > 1:
        abroad = -(_reach(batch) == GALLERY).to(labels)
        offered = features[_is_there(visual).flatten()]
        scale, bias = network.logit_scale, network.logit_bias
        total = total + abroad_clia_sum(embedding, offered, scale, bias, abroad, pair_sum=pair_sum)
    return {"clia": total / (labels > 0).sum().clamp(min=1), "focal": focal}


def prediction_labels(
    visual: VisualOutput, batch: Batch, matched: Tensor, objects: Tensor, per_picture: list[Tensor]
) -> Tensor:
    """Which text is true of which prediction, (Q, B M) int8, from which text is true of which object.

    A matched prediction takes its object's labels. One that matches nothing is false of every text where the picture's
    boxes are complete; elsewhere only of texts that are known to fit nothing else there (``Batch.text_reach``). One
    that overlaps an object (``DUPLICATE_IOU``) or lies on padding is left out.
    """
    device = visual.hidden.device
    pictures, queries = visual.hidden.shape[:2]
    labels = torch.full((len(batch.labels), pictures * queries), -1, dtype=torch.int8, device=device)
    if batch.complete is not None:
        reach, text_picture = _reach(batch), batch.text_picture
        own = text_picture[:, None] == torch.arange(pictures)[None]
        unknown = ~batch.complete[None] & torch.where(own, (reach < PICTURE)[:, None], (reach < GALLERY)[:, None])
        labels.masked_fill_(unknown.to(device).repeat_interleave(queries, dim=1), 0)
    final = visual.boxes_cxcywh[-1].detach().float()
    for b, boxes in enumerate(per_picture):
        if len(boxes):
            near = iou_matrix(final[b], boxes).amax(dim=1) > DUPLICATE_IOU
            labels[:, b * queries : (b + 1) * queries][:, near] = 0
    if batch.padding is not None:
        labels.masked_fill_(~_is_there(visual).flatten()[None], 0)
    labels[:, matched] = batch.labels.to(device)[:, objects]
    return labels


def _reach(batch: Batch) -> Tensor:
    return torch.full_like(batch.text_picture, OPEN) if batch.text_reach is None else batch.text_reach


def _is_there(visual: VisualOutput) -> Tensor:
    """(B, M) bool: the prediction comes from the picture, not from padding."""
    return visual.proposal_valid.gather(1, visual.selected)
