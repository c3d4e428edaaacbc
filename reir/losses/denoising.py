"""How far denoising queries are from their true boxes (DN-DETR, Li et al. 2022, section 4.3)."""

from __future__ import annotations

from torch import Tensor

from reir.losses.box import box_losses


def denoising_loss(boxes_cxcywh: Tensor, targets_cxcywh: Tensor, valid: Tensor) -> Tensor:
    """5 L1 + 2 GIoU (DETR's weights) of each query with its own true box, mean over queries and decoder layers.

    ``boxes_cxcywh`` (L, B, K, 4) are the decoded queries, ``targets_cxcywh`` (B, K, 4) their true boxes, ``valid``
    (B, K) bool is False where there is none. Nothing is matched: which query belongs to which object is known.
    """
    layers = len(boxes_cxcywh)
    predicted = boxes_cxcywh.float()[:, valid].flatten(0, 1)
    l1, giou = box_losses(predicted, targets_cxcywh.float()[valid].repeat(layers, 1))
    return 5.0 * l1 + 2.0 * giou
