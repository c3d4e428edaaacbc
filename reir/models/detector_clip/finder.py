"""Boxes of pictures by a two-stage detector: its final detections, or the proposals of its first stage."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from reir.models.detector_clip.parts import Parts
from reir.types import Array, FloatArray, Picture

if TYPE_CHECKING:
    import torch
    from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
    from torchvision.models.detection.image_list import ImageList

    from reir.models.detector_clip.predictor import ClipPredictor

BATCH = 8
"""Pictures of one shape that go through the detector together."""
_REGRESSED = 4
"""Proposals that a trained predictor moves, for each one that is kept: moved boxes fall together."""


@dataclass(frozen=True, slots=True)
class Found:
    """The boxes of one picture, best objectness first.

    ``boxes`` (N, 4) float32 in pixels of the upright original, ``objectness`` (N,) float32 in [0, 1]; ``masks``
    (N, h, w) bool of the picture as the detector saw it; ``embeddings`` (N, E) by a trained predictor. None where not.
    """

    boxes: FloatArray
    objectness: FloatArray
    masks: Array | None = None
    embeddings: FloatArray | None = None


class BoxFinder:
    """A detector with its settings. Weights are loaded at the first picture; safe from several threads.

    Only the backbone computes in the settings' precision: pooling and decoding need float32.
    """

    def __init__(self, parts: Parts, *, device: str = "auto") -> None:
        self._parts = parts
        self._device_name = device
        self._lock = threading.Lock()

    @property
    def longest_side(self) -> int:
        """Pixels of the longer side of what the detector sees, at most."""
        return self._parts.detector.max_size

    def find(self, pictures: Sequence[Picture]) -> list[Found]:
        """The boxes of each picture.

        Only pictures that come to one padded shape go through the network together: padding beyond it would change
        what is found with the company that a picture has.
        """
        import torch
        from torchvision.models.detection.image_list import ImageList

        with self._lock:
            detector = self._detector
        found: dict[int, Found] = {}
        with torch.inference_mode():
            prepared = [self._prepare(detector, picture) for picture in pictures]
            by_shape: dict[tuple[int, ...], list[int]] = defaultdict(list)
            for i, image in enumerate(prepared):
                by_shape[tuple(image.tensors.shape)].append(i)
            for members in by_shape.values():
                for start in range(0, len(members), BATCH):
                    chunk = members[start : start + BATCH]
                    images = ImageList(
                        torch.cat([prepared[i].tensors for i in chunk]), [prepared[i].image_sizes[0] for i in chunk]
                    )
                    rows = self._forward(detector, images)
                    for i, size, row in zip(chunk, images.image_sizes, rows, strict=True):
                        found[i] = self._found(pictures[i], size, row)
        return [found[i] for i in range(len(pictures))]

    def embed(self, picture: Picture, boxes: FloatArray) -> FloatArray:
        """The trained predictor's unit embeddings (N, E) of boxes (N, 4) in pixels of the upright original."""
        import torch

        from reir.models.detector_clip.predictor import predict_regions

        with self._lock:
            detector, predictor = self._detector, self._predictor
        assert predictor is not None
        with torch.inference_mode():
            images = self._prepare(detector, picture)
            features = self._features(detector, images)
            height, width = images.image_sizes[0]
            scale = np.array([width / picture.width, height / picture.height] * 2, dtype=np.float32)
            regions = torch.from_numpy(np.asarray(boxes, dtype=np.float32).reshape(-1, 4) * scale)
            ((_, embeddings),) = predict_regions(
                detector, predictor, features, [regions.to(images.tensors.device)], images.image_sizes
            )
        return _numpy(embeddings)

    def _prepare(self, detector: GeneralizedRCNN, picture: Picture) -> ImageList:
        """A picture as the network takes it: one of torchvision's image lists, normalised, resized and padded."""
        import torch

        pixels = torch.from_numpy(picture.pixels.copy())  # decoders hand out arrays that may not be written
        if self._device.type == "cuda":
            pixels = pixels.pin_memory().to(self._device, non_blocking=True)
        images, _ = detector.transform([pixels.permute(2, 0, 1).float() / 255])
        return images

    def _features(self, detector: GeneralizedRCNN, images: ImageList) -> dict[str, torch.Tensor]:
        import torch

        with self._autocast():
            maps = detector.backbone(images.tensors.contiguous(memory_format=torch.channels_last))
        return {level: values.float() for level, values in maps.items()}

    def _forward(self, detector: GeneralizedRCNN, images: ImageList) -> list[dict[str, torch.Tensor]]:
        """The kept boxes of each image in its own pixels, with ``scores`` and, where there are, masks or embeddings."""
        features = self._features(detector, images)
        settings = self._parts.settings
        rows: list[dict[str, torch.Tensor]]
        if self._parts.kind == "rcnn-clip":
            proposals, _ = detector.rpn(images, features)
            rows, _ = detector.roi_heads(features, proposals, images.image_sizes)
        else:
            rows = _propose(detector, images, features)
            rows = [{name: values[: _REGRESSED * settings.top] for name, values in row.items()} for row in rows]
        with self._lock:
            predictor = self._predictor
        if predictor is not None:
            from reir.models.detector_clip.predictor import predict_regions

            moved = predict_regions(detector, predictor, features, [row["boxes"] for row in rows], images.image_sizes)
            for row, (boxes, embeddings) in zip(rows, moved, strict=True):
                row["boxes"], row["embeddings"] = boxes, embeddings
        return [_keep(row, settings.nms, settings.score, settings.top) for row in rows]

    def _found(self, picture: Picture, size: tuple[int, int], row: Mapping[str, torch.Tensor]) -> Found:
        height, width = size
        scale = np.array([picture.width / width, picture.height / height] * 2, dtype=np.float32)
        boxes = _numpy(row["boxes"]) * scale
        limits = np.array([picture.width, picture.height] * 2, dtype=np.float32)
        masks = None
        if "masks" in row:
            from torchvision.models.detection.roi_heads import paste_masks_in_image

            # No finer than the picture that was decoded: a small one is enlarged for the detector.
            target = min((height, width), picture.pixels.shape[:2])
            shrink = np.array([target[1] / picture.width, target[0] / picture.height] * 2, dtype=np.float32)
            at_size = row["boxes"].new_tensor(boxes * shrink).cpu()
            masks = (paste_masks_in_image(row["masks"].float().cpu(), at_size, target)[:, 0] > 0.5).numpy()
        return Found(
            np.minimum(boxes, limits),
            _numpy(row["scores"]),
            masks,
            _numpy(row["embeddings"]) if "embeddings" in row else None,
        )

    @cached_property
    def _device(self) -> torch.device:
        from reir.models.device import resolve_device

        return resolve_device(self._device_name)

    def _autocast(self) -> AbstractContextManager[Any]:
        import torch

        from reir.models.device import working_dtype

        precision = self._parts.settings.precision
        dtype = getattr(torch, precision) if precision else working_dtype(self._device)
        return nullcontext() if dtype == torch.float32 else torch.autocast(self._device.type, dtype)

    @cached_property
    def _detector(self) -> GeneralizedRCNN:
        import torch

        from reir.models.detector_clip.detector import load_detector

        settings = self._parts.settings
        detector = load_detector(self._parts.detector, self._parts.weights)
        detector = detector.eval().requires_grad_(False).to(self._device)
        detector.backbone.to(memory_format=torch.channels_last)
        # Fewer than these would be thrown away before ours are applied. A first stage may have a limit of its own.
        detector.roi_heads.score_thresh = settings.score
        detector.roi_heads.detections_per_img = max(detector.roi_heads.detections_per_img, settings.top)
        with torch.inference_mode():
            _settle_strides(detector, self._device)
        return detector

    @cached_property
    def _predictor(self) -> ClipPredictor | None:
        from reir.models.detector_clip.detector import feature_width
        from reir.models.detector_clip.predictor import load_predictor

        if self._parts.predictor_weights is None:
            return None
        predictor = load_predictor(
            self._parts.predictor_weights,
            features=feature_width(self._detector),
            dimension=self._parts.tower.dimension,
        )
        return predictor.requires_grad_(False).to(self._device)


def _propose(
    detector: GeneralizedRCNN, images: ImageList, features: Mapping[str, torch.Tensor]
) -> list[dict[str, torch.Tensor]]:
    """The first stage's proposals of each image, best objectness first: its own steps, but keeping the objectness."""
    from torchvision.models.detection.rpn import concat_box_prediction_layers

    rpn: Any = detector.rpn
    maps = list(features.values())
    objectness, deltas = rpn.head(maps)
    anchors = rpn.anchor_generator(images, maps)
    counts = [level[0].shape[0] * level[0].shape[1] * level[0].shape[2] for level in objectness]
    objectness, deltas = concat_box_prediction_layers(objectness, deltas)
    boxes = rpn.box_coder.decode(deltas, anchors).view(len(anchors), -1, 4)
    boxes, scores = rpn.filter_proposals(boxes, objectness, images.image_sizes, counts)
    return [{"boxes": image_boxes, "scores": values} for image_boxes, values in zip(boxes, scores, strict=True)]


def _keep(row: Mapping[str, torch.Tensor], iou: float, score: float, top: int) -> dict[str, torch.Tensor]:
    """The best boxes that overlap no better one by more than ``iou``, whatever their classes."""
    from torchvision.ops import nms

    kept = nms(row["boxes"], row["scores"], iou)
    kept = kept[row["scores"][kept] >= score][:top]
    return {name: values[kept] for name, values in row.items()}


def _settle_strides(detector: GeneralizedRCNN, device: torch.device) -> None:
    """Lets region pooling measure the strides of the maps on a square picture.

    It does so once, on the first picture that it sees, and padding makes it err on a narrow one: all later pictures
    would be pooled at wrong places.
    """
    import torch

    side = 256
    maps = detector.backbone(torch.zeros(1, 3, side, side, device=device))
    box = torch.tensor([[0.0, 0.0, side, side]], device=device)
    heads: Any = detector.roi_heads
    for pool in (heads.box_roi_pool, heads.mask_roi_pool):
        if pool is not None:
            pool(maps, [box], [(side, side)])


def _numpy(values: torch.Tensor) -> FloatArray:
    array: FloatArray = values.float().cpu().numpy()
    return array
