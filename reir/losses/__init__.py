"""Losses, one a file."""

from reir.losses.balance import gate_balance_loss
from reir.losses.box import box_losses, generalized_iou_matrix, iou_matrix, paired_iou
from reir.losses.clia import chunked_clia_loss, clia_loss
from reir.losses.focal import sigmoid_focal_loss
from reir.losses.matcher import hungarian_match
from reir.losses.objectness import objectness_loss
from reir.losses.proposals import centre_heat, proposal_losses

__all__ = [
    "box_losses",
    "centre_heat",
    "chunked_clia_loss",
    "clia_loss",
    "gate_balance_loss",
    "generalized_iou_matrix",
    "hungarian_match",
    "iou_matrix",
    "objectness_loss",
    "paired_iou",
    "proposal_losses",
    "sigmoid_focal_loss",
]
