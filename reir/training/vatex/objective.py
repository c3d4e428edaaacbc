"""The loss of VATEX (section 3.4, equation 8): matched masks and classes after every layer, and the MCC."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from reir.losses import dice_losses, mask_bce_losses, match_masks, mcc_loss, query_class_loss
from reir.models.vatex.network import VatexOutput
from reir.training.vatex.config import VatexLoss


def vatex_losses(
    output: VatexOutput,
    masks: Tensor,
    padding: Tensor | None,
    triplets: Tensor | None,
    *,
    weights: VatexLoss,
) -> dict[str, Tensor]:
    """``classification``, ``mask``, ``dice`` and ``mcc``: means over rows, the first three summed over all layers.

    Each layer is matched by itself, as in Mask2Former. Masks are compared at the size of the network's, a quarter of
    the picture's sides, where a cell counts by its share of the object.

    Args:
        output: of R rows.
        masks: (R, H, W) bool, the objects.
        padding: (R, H, W) bool; or None.
        triplets: (K, 3) int64 rows; None leaves the MCC out.
        weights: of the matching's costs.
    """
    size = (int(output.mask_logits.shape[-2]), int(output.mask_logits.shape[-1]))
    targets = F.adaptive_avg_pool2d(masks[:, None].float(), size)[:, 0]
    valid = None if padding is None else F.adaptive_avg_pool2d((~padding)[:, None].float(), size)[:, 0] > 0
    matched = match_masks(
        output.class_logits,
        output.mask_logits,
        targets,
        valid,
        class_cost=weights.classification,
        mask_cost=weights.mask,
    )  # (L + 1, R)
    index = matched[..., None, None, None].expand(*matched.shape, 1, *size)
    chosen = output.mask_logits.gather(2, index)[:, :, 0]
    layers = len(output.class_logits)
    losses = {
        "classification": layers * query_class_loss(output.class_logits, matched),
        "mask": mask_bce_losses(chosen, targets, valid).mean(dim=1).sum(),
        "dice": dice_losses(chosen, targets, valid).mean(dim=1).sum(),
    }
    if triplets is not None:
        first, second, negative = (output.sentence[rows] for rows in triplets.unbind(dim=1))
        losses["mcc"] = mcc_loss(first, second, negative)
    return losses


def weighted(losses: dict[str, Tensor], weights: VatexLoss) -> Tensor:
    """The sum of the losses by their weights."""
    return torch.stack([getattr(weights, name) * value for name, value in losses.items()]).sum()
