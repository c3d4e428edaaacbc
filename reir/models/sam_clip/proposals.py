"""Every mask that SAM proposes for a picture, as the library's own mask generation makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from reir.models.sam_clip.loading import load_network, load_processor
from reir.models.sam_clip.parts import Network
from reir.models.sam_clip.settings import Settings
from reir.types import FloatArray

CPU_POINTS = 16
"""Prompt points in one pass of the mask decoder. Its masks are resized in float32: at 1024 pixels 0.2 GB for 16."""
GPU_POINTS = 64


@dataclass(frozen=True, slots=True)
class Masks:
    """Masks (N, h, w) of a picture's pixels, their boxes (N, 4) in these pixels and predicted IoUs (N,), best first.

    A box ends behind the mask's last pixel. *Differs from the library*: its boxes end on that pixel, while boxes here
    are borders, so that a mask of one pixel has an area.
    """

    masks: npt.NDArray[np.bool_]
    boxes: FloatArray
    objectness: FloatArray

    def __len__(self) -> int:
        return len(self.masks)


class Proposer:
    """SAM (Kirillov et al., Segment Anything, 2023) asked with a grid of points; TAS, section 3.2.

    The picture is embedded once; the points go through the mask decoder in batches, three masks each. Masks whose
    predicted IoU or stability is low go, then those whose box overlaps a better one's. All of it is the library's
    own code, as in its pipeline ``mask-generation``, here with no crops of the picture and with few points at a time.
    """

    def __init__(self, network: Network, settings: Settings, *, device: str = "auto") -> None:
        import torch
        from transformers import SamImageProcessor, SamModel

        from reir.models.device import resolve_device, working_dtype

        self._settings = settings
        self._device = resolve_device(device)
        self._dtype = working_dtype(self._device)
        self._processor = load_processor(network, SamImageProcessor)
        self._model = load_network(network, SamModel, dtype=torch.float32).to(self._device)

    def propose(self, pixels: npt.NDArray[np.uint8]) -> Masks:
        """The kept masks of a picture, (h, w, 3) uint8 RGB."""
        import torch

        settings, processor = self._settings, self._processor
        height, width = pixels.shape[:2]
        with torch.inference_mode():
            image = Image.fromarray(np.ascontiguousarray(pixels))
            target = processor.size["longest_edge"]
            crop_boxes, points, crops, labels = processor.generate_crop_boxes(
                image, target, points_per_crop=settings.points
            )
            inputs = processor(images=list(crops), input_data_format="channels_first", return_tensors="pt")
            inputs = inputs.to(self._device)
            with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
                embedding = self._model.get_image_embeddings(inputs["pixel_values"]).float()
            rles, scores, boxes = [], [], []
            step = GPU_POINTS if self._device.type == "cuda" else CPU_POINTS
            for start in range(0, points.shape[1], step):
                outputs = self._model(
                    image_embeddings=embedding,
                    input_points=points[:, start : start + step].to(self._device),
                    input_labels=labels[:, start : start + step].to(self._device),
                )
                masks = processor.post_process_masks(
                    outputs.pred_masks,
                    inputs["original_sizes"].tolist(),
                    reshaped_input_sizes=inputs["reshaped_input_sizes"].tolist(),
                    binarize=False,
                )
                kept, kept_scores, kept_boxes = processor.filter_masks(
                    masks[0],
                    outputs.iou_scores[0],
                    (height, width),
                    crop_boxes[0],
                    pred_iou_thresh=settings.iou,
                    stability_score_thresh=settings.stability,
                )
                rles += kept
                scores.append(kept_scores.cpu())
                boxes.append(kept_boxes.cpu())
            found, found_scores, _, found_boxes = processor.post_process_for_mask_generation(
                rles, torch.cat(scores), torch.cat(boxes), settings.nms
            )
        return _best(found, found_scores.numpy(), found_boxes.numpy(), settings.top, (height, width))


def _best(
    found: list[Any], scores: npt.NDArray[Any], boxes: npt.NDArray[Any], top: int, size: tuple[int, int]
) -> Masks:
    """The first ``top`` masks that are not empty; the library has them best first."""
    rows = [row for row, mask in enumerate(found) if mask.any()][:top]
    masks = np.stack([found[row].numpy() for row in rows]) if rows else np.zeros((0, *size), dtype=bool)
    borders = boxes[rows].astype(np.float32).reshape(-1, 4) + np.array([0, 0, 1, 1], dtype=np.float32)
    # A predicted IoU is a regression's answer and can pass 1.
    return Masks(masks, borders, np.clip(scores[rows], 0, 1).astype(np.float32))
