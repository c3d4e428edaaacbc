"""How the small model is served, and validated: these numbers go into its checkpoint folder."""

from __future__ import annotations

from typing import Any, Final

from reir.data.expressions import MAX_TOKENS
from reir.training.scenes.canvases import CANVASES

MIN_OBJECTNESS: Final = 0.05
NMS_IOU: Final = 0.7

SERVING: Final[dict[str, Any]] = {
    "canvases": [list(canvas) for canvas in CANVASES],
    "max_tokens": MAX_TOKENS,  # positions beyond those of the training texts were never trained
    "min_objectness": MIN_OBJECTNESS,
    "nms_iou": NMS_IOU,
}

NOTICE: Final = (
    "clare-tiny knows only emoji scenes: it was trained on nothing else, and what it finds in photos means little. "
    "For photos: reir index FOLDER --model owlv2-base --rebuild"
)
