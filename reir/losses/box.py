"""Box regression: L1 and generalised IoU (paper, equations 12 and 13)."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import box_convert, box_iou, generalized_box_iou, generalized_box_iou_loss


def _corners(boxes_cxcywh: Tensor) -> Tensor:
    return box_convert(boxes_cxcywh, "cxcywh", "xyxy")


def generalized_iou_matrix(first_cxcywh: Tensor, second_cxcywh: Tensor) -> Tensor:
    """Generalised IoU of every pair, (N, M), of boxes (N, 4) and (M, 4) in centre form."""
    return generalized_box_iou(_corners(first_cxcywh), _corners(second_cxcywh))


def iou_matrix(first_cxcywh: Tensor, second_cxcywh: Tensor) -> Tensor:
    """IoU of every pair, (N, M), of boxes (N, 4) and (M, 4) in centre form."""
    return box_iou(_corners(first_cxcywh), _corners(second_cxcywh))


def paired_iou(first_cxcywh: Tensor, second_cxcywh: Tensor) -> Tensor:
    """IoU (K,) of the k-th box of one with the k-th of the other, both (K, 4) in centre form."""
    first, second = _corners(first_cxcywh), _corners(second_cxcywh)
    inner = (torch.minimum(first[:, 2:], second[:, 2:]) - torch.maximum(first[:, :2], second[:, :2])).clamp(min=0)
    intersection = inner.prod(dim=1)
    union = first_cxcywh[:, 2:].prod(dim=1) + second_cxcywh[:, 2:].prod(dim=1) - intersection
    return intersection / union.clamp(min=1e-9)


def box_losses(predicted_cxcywh: Tensor, target_cxcywh: Tensor) -> tuple[Tensor, Tensor]:
    """Mean L1 (summed over the four numbers) and mean 1 - GIoU of matched pairs, both (K, 4) in centre form."""
    pairs = max(len(predicted_cxcywh), 1)
    l1 = (predicted_cxcywh - target_cxcywh).abs().sum() / pairs
    giou = generalized_box_iou_loss(_corners(predicted_cxcywh), _corners(target_cxcywh), reduction="sum") / pairs
    return l1, giou
