"""Pictures to sentences, by BLIP, BLIP-2 or GIT."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from reir.models.sam_clip.loading import load_network, load_processor
from reir.models.sam_clip.parts import Network

MAX_NEW_TOKENS = 30
"""Captions end by themselves after 8 to 15 tokens; this bounds those that repeat themselves."""
CPU_BATCH = 8
GPU_BATCH = 32


class Captioner:
    """A captioning network of transformers, greedy, so that the same pixels always get the same words.

    The class is chosen by the folder's model type: ``blip``, ``blip-2`` (the paper's, section 4.2) or ``git`` (its
    table 6). Loaded by the first picture. Safe from several threads.
    """

    def __init__(self, network: Network, *, device: str = "auto") -> None:
        self._network = network
        self._device_name = device
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Load the network, unless it is loaded.

        Raises:
            UsageError: its files are damaged, or hold another network's weights.
        """
        with self._lock:
            self._model, self._processor  # noqa: B018

    def caption(self, pictures: Sequence[npt.NDArray[np.uint8]]) -> list[str]:
        """One caption for each picture, (h, w, 3) uint8 RGB of any size."""
        if not pictures:
            return []
        import torch

        with self._lock:
            model, processor = self._model, self._processor
        step = GPU_BATCH if model.device.type == "cuda" else CPU_BATCH
        captions: list[str] = []
        with torch.inference_mode():
            for start in range(0, len(pictures), step):
                # As Pillow's pictures: of an array three pixels high the library cannot tell the channels.
                batch = [Image.fromarray(np.ascontiguousarray(pixels)) for pixels in pictures[start : start + step]]
                inputs = processor(images=batch, return_tensors="pt").to(model.device, model.dtype)
                ids = model.generate(
                    pixel_values=inputs["pixel_values"], max_new_tokens=MAX_NEW_TOKENS, num_beams=1, do_sample=False
                )
                captions += [" ".join(text.split()) for text in processor.batch_decode(ids, skip_special_tokens=True)]
        return captions

    @cached_property
    def _processor(self) -> Any:
        from transformers import AutoProcessor

        return load_processor(self._network, AutoProcessor)

    @cached_property
    def _model(self) -> Any:
        import transformers

        from reir.models.device import resolve_device, working_dtype

        device = resolve_device(self._device_name)
        classes: dict[str, Any] = {
            "blip": transformers.BlipForConditionalGeneration,
            "blip-2": transformers.Blip2ForConditionalGeneration,
            "git": transformers.GitForCausalLM,
        }
        return load_network(self._network, classes[self._network.kind], dtype=working_dtype(device)).to(device)
