"""A tower whose image half gradients can pass: scores and activations of pictures on which ellipses are drawn."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reir.models.device import resolve_device
from reir.models.ellipse.grad_cam import GradCam
from reir.models.towers import ClipTower
from reir.models.towers.network import build_network
from reir.types import Picture


class PromptedTower:
    """A CLIP of open_clip for pictures in [0, 1] at its own size. Safe from several threads.

    Its weights are read by the first picture. Pictures are squashed to its square, as its crops are.

    Args:
        tower: finds the files and embeds the texts.
        device: where the image half runs.
        precision: ``float32``, or ``bfloat16`` for its matrix products alone: faster, and gradients coarser.
    """

    def __init__(self, tower: ClipTower, *, device: str = "auto", precision: str = "float32") -> None:
        self.clip = tower
        self._half = precision == "bfloat16"
        self._device = device
        self._lock = threading.Lock()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels of what it sees."""
        return self.clip.source.preprocess.size

    @property
    def device(self) -> torch.device:
        """Where the image half runs."""
        return resolve_device(self._device)

    def prepare(self) -> None:
        """Read its weights. Raises UsageError where they are damaged or another architecture's."""
        with self._lock:
            _ = self._network

    def pixels(self, pictures: Sequence[Picture]) -> Tensor:
        """Pictures as the tower sees them, (N, 3, H, W) float32 RGB in [0, 1], not yet normalised."""
        resize = self.clip.source.preprocess.resize
        rows = np.stack([resize(picture.pixels) for picture in pictures])
        return torch.from_numpy(rows).to(self.device).permute(0, 3, 1, 2).float() / 255

    def texts(self, texts: Sequence[str]) -> Tensor:
        """The unit embeddings (Q, E) of texts."""
        return torch.from_numpy(self.clip.encode_texts(texts)).to(self.device)

    def embed(self, pixels: Tensor) -> Tensor:
        """The unit embeddings (N, E) of pictures (N, 3, H, W) in [0, 1]; gradients pass."""
        with self._lock:
            visual, _ = self._network
        mean, std = (
            torch.tensor(values, device=pixels.device).view(3, 1, 1)
            for values in (self.clip.source.preprocess.mean, self.clip.source.preprocess.std)
        )
        with torch.autocast(pixels.device.type, dtype=torch.bfloat16, enabled=self._half):
            features = visual(((pixels - mean) / std).contiguous(memory_format=torch.channels_last))
        # CoCa's image tower gives tokens beside the embedding.
        return F.normalize((features[0] if isinstance(features, tuple) else features).float(), dim=-1)

    @property
    def scale(self) -> float:
        """What its cosines are multiplied with, as it was trained."""
        with self._lock:
            return self._network[1]

    @cached_property
    def grad_cam(self) -> GradCam:
        """Grad-CAM on its last block. Raises UsageError for a kind of image tower that has none that is known."""
        with self._lock:
            visual, _ = self._network
        return GradCam(visual, name=self.clip.name)

    @cached_property
    def _network(self) -> tuple[Any, float]:
        model = build_network(self.clip.source)
        # On a CPU convolutions take a third less time of channels that lie together.
        return model.visual.to(self.device, memory_format=torch.channels_last), float(model.logit_scale.exp())
