"""From letterboxed pictures to the instances that are kept of each: one way, for serving and for validation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from reir.errors import ReirError
from reir.geometry import cxcywh_to_xyxy, nms
from reir.imaging.letterbox import Letterbox
from reir.models.clare.network import Clare
from reir.models.clare.pixels import normalise_pixels
from reir.types import Instances


def detect(
    network: Clare, letterboxes: Sequence[Letterbox], *, min_objectness: float, nms_iou: float
) -> list[Instances]:
    """Kept instances of letterboxes of one canvas shape, boxes in pixels of the upright originals.

    Predictions whose objectness reaches ``min_objectness`` after class-agnostic NMS, best first; at least the best one
    of each picture. The network is in evaluation mode.

    Raises:
        ReirError: the network gives numbers that are not finite.
    """
    device = next(network.parameters()).device
    pixels = torch.from_numpy(np.stack([box.pixels for box in letterboxes])).to(device)
    padding = torch.from_numpy(np.stack([box.padding for box in letterboxes])).to(device)
    with torch.inference_mode():
        output = network.encode_images(normalise_pixels(pixels), padding)
        boxes_cxcywh = output.boxes_cxcywh[-1].float().cpu().numpy()
        objectness = output.objectness[-1].float().sigmoid().cpu().numpy()
        features = output.features.float().cpu().numpy()
    height, width = letterboxes[0].pixels.shape[:2]
    canvas_size = np.array([width, height, width, height], dtype=np.float32)
    results = []
    for i, letterbox in enumerate(letterboxes):
        boxes = letterbox.to_original(cxcywh_to_xyxy(boxes_cxcywh[i]) * canvas_size)
        if not np.isfinite(boxes).all() or not np.isfinite(features[i]).all():
            raise ReirError("the model gave numbers that are not finite; check its weights with: reir models show")
        kept = nms(boxes, objectness[i], nms_iou)
        kept = kept[(objectness[i][kept] >= min_objectness) | (np.arange(len(kept)) == 0)]
        results.append(
            Instances(
                boxes[kept].astype(np.float32),
                objectness[i][kept].astype(np.float32),
                features[i][kept].astype(np.float32),
            )
        )
    return results
