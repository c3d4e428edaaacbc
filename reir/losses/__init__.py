"""Losses, one a file."""

from reir.losses.balance import gate_balance_loss
from reir.losses.box import box_losses, generalized_iou_matrix, iou_matrix, paired_iou
from reir.losses.clia import abroad_clia_sum, chunked_clia_loss, clia_loss, clia_sum, ring_clia_loss
from reir.losses.denoising import denoising_loss
from reir.losses.dice import dice_loss, dice_losses
from reir.losses.focal import focal_sum, sigmoid_focal_loss
from reir.losses.mask_bce import mask_bce_loss, mask_bce_losses
from reir.losses.mask_matcher import match_masks
from reir.losses.matcher import hungarian_match
from reir.losses.mcc import mcc_loss, mcc_triplets
from reir.losses.objectness import objectness_loss
from reir.losses.proposals import centre_heat, proposal_losses
from reir.losses.query_class import query_class_loss
from reir.losses.ring import ring_blocks

__all__ = [
    "abroad_clia_sum",
    "box_losses",
    "centre_heat",
    "chunked_clia_loss",
    "clia_loss",
    "clia_sum",
    "denoising_loss",
    "dice_loss",
    "dice_losses",
    "focal_sum",
    "gate_balance_loss",
    "generalized_iou_matrix",
    "hungarian_match",
    "iou_matrix",
    "mask_bce_loss",
    "mask_bce_losses",
    "match_masks",
    "mcc_loss",
    "mcc_triplets",
    "objectness_loss",
    "paired_iou",
    "proposal_losses",
    "query_class_loss",
    "ring_blocks",
    "ring_clia_loss",
    "sigmoid_focal_loss",
]
