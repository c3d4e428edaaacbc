"""The vision half of an OWL model: pictures to boxes, objectness and instance vectors, in torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reir.errors import UsageError
from reir.models.device import resolve_device, working_dtype
from reir.models.owl.folder import OwlFolder
from reir.models.transformers_folder import loading_from
from reir.types import FloatArray, Instances, Picture

CANDIDATES = 400
"""Patches of a picture, best objectness first, that are looked at further: a network has 576 to 5,184 of them."""
MIN_SIDE = 1.0
"""Pixels of the network's input below which a box is nothing: in the padding boxes are clipped to lines."""
BATCH = {"cpu": 2, "cuda": 8}
"""Pictures that go through the network together: one has thousands of patches, which fill either device."""


@dataclass(frozen=True, slots=True)
class _Patches:
    """What the network says of each of the P patches of B pictures."""

    features: Tensor
    """(B, P, W) float32."""
    grid: Tensor
    """The same as (B, rows, columns, W)."""
    boxes: Tensor
    """(B, P, 4) corners, relative to the network's square input."""
    objectness: Tensor
    """(B, P) in [0, 1]."""


class OwlDetector:
    """The network of a folder without its text tower, on a device. Calls may come from several threads.

    The heads, which place the boxes, compute in float32 whatever the vision tower does.

    Args:
        folder: the weights.
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: ``float32`` or ``bfloat16``, of the vision tower; None: bfloat16 on a GPU that computes in it.
        yardstick: embeddings (Q, E) float32 of the texts that measure the objectness of OWL-ViT, which has no head for
            it; not used by OWLv2.

    Raises:
        UsageError: there is no such device, or the weights are damaged or incomplete.
    """

    def __init__(self, folder: OwlFolder, *, device: str, precision: str | None, yardstick: FloatArray | None) -> None:
        self._folder = folder
        self._device = resolve_device(device)
        self._dtype: torch.dtype = getattr(torch, precision) if precision else working_dtype(self._device)
        self._processor, self._network = _load(folder)
        # The sentences are embedded elsewhere, without torch.
        del self._base.text_model
        # Not channels-last: a vision transformer has one convolution, and it gains nothing measurable.
        self._network.to(self._device)
        self._yardstick = None if yardstick is None else torch.from_numpy(yardstick).to(self._device)

    @torch.inference_mode()
    def detect(self, pictures: Sequence[Picture]) -> list[Instances]:
        """The best patches of each picture as instances ``[s v, s b]``, best objectness first, overlapping freely.

        v is the patch's unit class embedding, s = elu(scale) + 1 and b its own logit scale and shift: the inner product
        with ``[q, 1]`` is the logit s (v q + b) of the library's class head. Boxes are clipped to the picture.
        """
        found: list[Instances] = []
        for chunk, pixels in self._batches(pictures):
            found += self._instances(chunk, self._look(pixels))
        return found

    @torch.inference_mode()
    def embed(self, crops: Sequence[Picture]) -> FloatArray:
        """The unit class embedding (N, E) float32 of the patch that stands for each crop.

        OWLv2: the patch of the highest objectness, as transformers 5.23 chooses it; 5.17 still does as for OWL-ViT.
        OWL-ViT: the library's own heuristic, the patch least like the mean of all among those whose boxes fill the
        crop best.
        """
        rows: list[FloatArray] = []
        for _, pixels in self._batches(crops):
            patches = self._look(pixels)
            if self._folder.family == "owlv2":
                chosen = patches.objectness.argmax(dim=1)
            else:
                _, indices, _ = self._network.embed_image_query(patches.features, patches.grid)
                assert indices is not None, "boxes of a sigmoid always have an area"
                chosen = indices[:, 0]
            best = patches.features[torch.arange(len(chosen), device=chosen.device), chosen]
            rows += list(self._class_embeddings(best).cpu().numpy())
        return np.stack(rows) if rows else np.zeros((0, self._folder.dimension), dtype=np.float32)

    @property
    def _base(self) -> Any:
        return getattr(self._network, self._folder.family)

    def _batches(self, pictures: Sequence[Picture]) -> Iterator[tuple[Sequence[Picture], Tensor]]:
        """Chunks of pictures with their network inputs (B, 3, S, S); the next is prepared while one is in work."""
        size = BATCH[self._device.type]
        chunks = [pictures[start : start + size] for start in range(0, len(pictures), size)]
        if not chunks:
            return
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="reir-owl-pixels") as ahead:
            coming = ahead.submit(self._prepare, chunks[0])
            for number, chunk in enumerate(chunks):
                pixels = coming.result()
                if number + 1 < len(chunks):
                    coming = ahead.submit(self._prepare, chunks[number + 1])
                yield chunk, pixels

    @torch.inference_mode()
    def _prepare(self, pictures: Sequence[Picture]) -> Tensor:
        """The network's input, made by the library's own processor; on a GPU, on the GPU."""
        images = [torch.tensor(picture.pixels) for picture in pictures]
        if self._device.type == "cuda":
            images = [image.pin_memory().to(self._device, non_blocking=True) for image in images]
        processed = self._processor(
            images=[image.permute(2, 0, 1) for image in images], input_data_format="channels_first", return_tensors="pt"
        )
        pixels: Tensor = processed["pixel_values"]
        return pixels

    def _look(self, pixels: Tensor) -> _Patches:
        from transformers.image_transforms import center_to_corners_format

        network = self._network
        with torch.autocast(self._device.type, dtype=self._dtype, enabled=self._dtype != torch.float32):
            grid, _ = network.image_embedder(pixel_values=pixels)
        grid = grid.float()
        features = grid.flatten(1, 2)
        corners: Any = center_to_corners_format(network.box_predictor(features, grid))
        if self._yardstick is None:
            objectness = network.objectness_predictor(features).sigmoid()
        else:
            queries = self._yardstick.expand(len(pixels), -1, -1)
            logits, _ = network.class_predictor(features, queries)  # (B, P, Q)
            objectness = logits.amax(dim=-1).sigmoid()
        return _Patches(features, grid, corners, objectness)

    def _instances(self, pictures: Sequence[Picture], patches: _Patches) -> list[Instances]:
        extents = torch.tensor([self._extent(picture) * 2 for picture in pictures], dtype=torch.float32)[:, None]
        extents = extents.to(self._device)  # (B, 1, 4)
        boxes = torch.minimum(patches.boxes.clamp(min=0), extents)
        real = ((boxes[..., 2:] - boxes[..., :2]) * self._folder.image_side >= MIN_SIDE).all(dim=-1)
        # First to shares of the picture: its edges stay exactly on its edges.
        sizes = torch.tensor([[picture.width, picture.height] * 2 for picture in pictures], dtype=torch.float32)[
            :, None
        ]
        boxes = boxes / extents * sizes.to(self._device)
        scores = patches.objectness.masked_fill(~real, -1.0)
        best = scores.topk(min(CANDIDATES, scores.shape[1]), dim=1)  # (B, K)
        vectors = self._vectors(_rows(patches.features, best.indices)).cpu().numpy()
        chosen_boxes = _rows(boxes, best.indices).cpu().numpy()
        objectness = best.values.cpu().numpy()
        counts = (objectness >= 0).sum(axis=1)  # The boxes that are nothing come last.
        return [
            Instances(chosen_boxes[i, :count], objectness[i, :count], vectors[i, :count])
            for i, count in enumerate(counts)
        ]

    def _extent(self, picture: Picture) -> tuple[float, float]:
        """Share of the network's square input that the picture fills, across and down, from the upper left."""
        if self._folder.family == "owlvit":  # Stretched to the square.
            return 1.0, 1.0
        # Padded to a square at the right or below. The decoded sides count, which may have been rounded differently.
        height, width = picture.pixels.shape[:2]
        return width / max(height, width), height / max(height, width)

    def _vectors(self, features: Tensor) -> Tensor:
        """Instance vectors (..., E + 1) of patches (..., W)."""
        head = self._network.class_head
        scale = head.elu(head.logit_scale(features)) + 1
        shift = head.logit_shift(features)
        return torch.cat([scale * self._class_embeddings(features), scale * shift], dim=-1)

    def _class_embeddings(self, features: Tensor) -> Tensor:
        """Unit class embeddings (..., E) of patches (..., W), normalised as ``OwlViTClassPredictionHead`` does."""
        embedded = self._network.class_head.dense0(features)
        unit: Tensor = embedded / (torch.linalg.norm(embedded, dim=-1, keepdim=True) + 1e-6)
        return unit


def _rows(table: Tensor, indices: Tensor) -> Tensor:
    """The rows (B, K, C) of a table (B, P, C) at indices (B, K)."""
    return table.gather(1, indices[..., None].expand(-1, -1, table.shape[-1]))


def _load(folder: OwlFolder) -> tuple[Any, Any]:
    """The image processor and the network of a folder, in evaluation mode."""
    import transformers

    classes: dict[str, tuple[Any, Any]] = {
        "owlvit": (transformers.OwlViTForObjectDetection, transformers.OwlViTImageProcessor),
        "owlv2": (transformers.Owlv2ForObjectDetection, transformers.Owlv2ImageProcessor),
    }
    network_class, processor_class = classes[folder.family]
    with loading_from(folder.path):
        processor = processor_class.from_pretrained(folder.path, local_files_only=True)
        network, told = network_class.from_pretrained(
            folder.path, local_files_only=True, dtype=torch.float32, output_loading_info=True
        )
    if told["missing_keys"]:
        lacking = sorted(told["missing_keys"])
        raise UsageError(
            f"{folder.path / folder.weights} lacks {len(lacking)} weights of the detector, {lacking[0]} for one: "
            f"it holds another kind of model. {network_class.__name__}.save_pretrained writes what is needed"
        )
    return processor, network.eval()
