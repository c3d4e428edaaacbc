"""SAM asked with boxes: one mask a box."""

from __future__ import annotations

import hashlib
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from cachetools import LRUCache
from PIL import Image

from reir.models.sam_clip.loading import load_network, load_processor
from reir.models.sam_clip.parts import DEFAULT_SAM, SAM_TYPES, Network
from reir.types import FloatArray

if TYPE_CHECKING:
    import torch

SAM_SIZES = {"base": DEFAULT_SAM, "large": "facebook/sam-vit-large", "huge": "facebook/sam-vit-huge"}
"""SAM's published sizes, by the names that stages take."""
PRECISIONS = ("auto", "float32", "bfloat16")
_REMEMBERED = 8
"""Pictures whose embeddings are kept: four megabytes each for a published SAM."""
_BOXES = 32
"""Boxes in one pass of the mask decoder."""


def find_sam(name: str) -> Network:
    """The SAM of a size (``base``, ``large``, ``huge``), a folder, or a hub repository.

    Raises:
        UsageError: no such folder, or a network of another kind.
        WeightsMissingError: published weights that are not on this machine; the message says how to get them.
    """
    return Network.find(SAM_SIZES.get(name, name), SAM_TYPES, option="sam")


class BoxPrompter:
    """SAM (Kirillov et al., Segment Anything, 2023) prompted by boxes. Safe from several threads.

    A picture is embedded once and remembered, by its pixels; all its boxes go through the mask decoder together. Of the
    three masks of a box, the one with the best predicted IoU counts. The network is loaded by ``prepare`` or the first
    picture. ``precision`` is that of the picture's embedding: ``float32``, ``bfloat16``, or with ``auto`` the latter on
    a GPU that has it.
    """

    def __init__(self, network: Network, *, device: str = "auto", precision: str = "auto") -> None:
        self._network = network
        self._device_name = device
        self._precision = precision
        self._lock = threading.Lock()
        self._embeddings: LRUCache[str, torch.Tensor] = LRUCache(_REMEMBERED)

    @property
    def side(self) -> int:
        """Longer side in pixels of what SAM sees."""
        return int(self._network.config.get("vision_config", {}).get("image_size", 1024))

    def prepare(self) -> None:
        """Load the network, unless it is loaded.

        Raises:
            UsageError: its files are damaged, or hold another network's weights.
        """
        with self._lock:
            self._model, self._processor  # noqa: B018

    def segment(self, pixels: npt.NDArray[np.uint8], boxes: FloatArray) -> tuple[npt.NDArray[np.bool_], FloatArray]:
        """Masks (N, h, w) and predicted IoUs (N,) of boxes (N, 4) in pixels of a picture (h, w, 3) uint8 RGB.

        The steps are those of the library's ``SamProcessor`` and ``SamModel`` with ``input_boxes``.
        """
        import torch

        height, width = pixels.shape[:2]
        masks = np.zeros((len(boxes), height, width), dtype=bool)
        scores = np.zeros(len(boxes), dtype=np.float32)
        if not len(boxes):
            return masks, scores
        with torch.inference_mode():
            embedding, resized = self._embedded(pixels)
            scale = np.array([resized[1] / width, resized[0] / height] * 2)
            prompts = torch.from_numpy(np.asarray(boxes, dtype=np.float64) * scale).float().to(embedding.device)
            for start in range(0, len(boxes), _BOXES):
                outputs = self._model(image_embeddings=embedding, input_boxes=prompts[None, start : start + _BOXES])
                predicted, best = outputs.iou_scores[0].max(dim=1)  # (B,)
                chosen = outputs.pred_masks[0, torch.arange(len(best)), best]  # (B, h', w')
                found = self._processor.post_process_masks([chosen[:, None]], [(height, width)], [resized])[0]
                masks[start : start + _BOXES] = found[:, 0].cpu().numpy()
                scores[start : start + _BOXES] = predicted.float().cpu().numpy()
        return masks, np.clip(scores, 0, 1)

    def _embedded(self, pixels: npt.NDArray[np.uint8]) -> tuple[torch.Tensor, tuple[int, int]]:
        """The embedding of a picture, and its height and width as SAM sees it."""
        import torch

        from reir.models.device import resolve_device, working_dtype

        pixels = np.ascontiguousarray(pixels)
        with self._lock:
            model, processor = self._model, self._processor
            key = hashlib.blake2b(pixels.data, digest_size=16).hexdigest() + str(pixels.shape)
            kept = self._embeddings.get(key)
        side = processor.size["longest_edge"] / max(pixels.shape[:2])
        resized = (int(pixels.shape[0] * side + 0.5), int(pixels.shape[1] * side + 0.5))
        if kept is None:
            device = resolve_device(self._device_name)
            dtype = working_dtype(device) if self._precision == "auto" else getattr(torch, self._precision)
            inputs = processor(images=Image.fromarray(pixels), return_tensors="pt").to(device)
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                kept = model.get_image_embeddings(inputs["pixel_values"]).float()
            with self._lock:
                self._embeddings[key] = kept
        return kept, resized

    @cached_property
    def _processor(self) -> Any:
        from transformers import SamImageProcessor

        return load_processor(self._network, SamImageProcessor)

    @cached_property
    def _model(self) -> Any:
        import torch
        from transformers import SamModel

        from reir.models.device import resolve_device

        return load_network(self._network, SamModel, dtype=torch.float32).to(resolve_device(self._device_name))
