"""One-to-one assignment of predictions to objects."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from reir.losses.box import generalized_iou_matrix


@torch.no_grad()
def hungarian_match(
    boxes_cxcywh: Tensor,
    objectness: Tensor,
    targets: Sequence[Tensor],
    *,
    l1_cost: float = 5.0,
    giou_cost: float = 2.0,
    objectness_cost: float = 2.0,
) -> tuple[Tensor, Tensor]:
    """Indices of matched predictions and of their objects, both (K,) int64, over the flattened batch.

    ``boxes_cxcywh`` (B, M, 4) and ``objectness`` (B, M) logits are the predictions; ``targets`` one (G_b, 4) a
    picture. A prediction index counts b * M + m, an object index counts through the pictures in order. Every object
    is matched as long as a picture has no more than M of them. Costs are DETR's: L1 of the centre form, negative
    GIoU, negative probability of being an object.
    """
    queries = objectness.shape[1]
    counts = [len(target) for target in targets]
    flat = torch.cat(list(targets)).float() if sum(counts) else boxes_cxcywh.new_zeros((0, 4))
    predicted = boxes_cxcywh.float().flatten(0, 1)
    cost = l1_cost * torch.cdist(predicted, flat, p=1) - giou_cost * generalized_iou_matrix(predicted, flat)
    cost = cost - objectness_cost * objectness.float().flatten().sigmoid()[:, None]
    matrix = torch.nan_to_num(cost, nan=1e4, posinf=1e4, neginf=-1e4).cpu().numpy()
    chosen: list[int] = []
    objects: list[int] = []
    start = 0
    for b, count in enumerate(counts):
        rows, columns = linear_sum_assignment(matrix[b * queries : (b + 1) * queries, start : start + count])
        chosen.extend((rows + b * queries).tolist())
        objects.extend((columns + start).tolist())
        start += count
    device = boxes_cxcywh.device
    return (
        torch.tensor(chosen, dtype=torch.int64, device=device),
        torch.tensor(objects, dtype=torch.int64, device=device),
    )
