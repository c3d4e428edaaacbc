"""Boxes as numbers: areas, overlaps, conversions, suppression. numpy only.

Masks are in ``reir.geometry.masks``, imported by that name because it needs pycocotools.
"""

from reir.geometry.boxes import (
    box_area,
    clip_boxes,
    cxcywh_to_xyxy,
    iou_matrix,
    paired_iou,
    xywh_to_xyxy,
    xyxy_to_cxcywh,
    xyxy_to_xywh,
)
from reir.geometry.suppression import nms

__all__ = [
    "box_area",
    "clip_boxes",
    "cxcywh_to_xyxy",
    "iou_matrix",
    "nms",
    "paired_iou",
    "xywh_to_xyxy",
    "xyxy_to_cxcywh",
    "xyxy_to_xywh",
]
