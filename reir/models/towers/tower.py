"""A tower of open_clip as reir uses it: crops and texts to unit vectors."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from reir.models.towers.clip_text import ClipText
from reir.models.towers.network import BATCH, OpenClipText, build_network, unit
from reir.models.towers.source import TowerSource
from reir.types import FloatArray

if TYPE_CHECKING:
    import torch

RESIZERS = 8
"""Threads that resize crops for a GPU while it works; on a CPU the tower itself uses every core."""
MANY_TEXTS = 256
"""Texts from which on a GPU is worth loading open_clip for."""


class ClipTower:
    """Any model of open_clip: CLIP, EVA-CLIP, SigLIP and their like. Safe from several threads.

    Made by ``load``, which reads no weights. The image tower is loaded by the first crop, the text tower by the first
    text; one of CLIP's own kind needs neither torch nor open_clip, and all of them compute in float32.

    Crops are squashed to the tower's size by default: the paper on detectors and CLIP resizes its crops to 224x224
    (section 3.2), and a crop shows one object, so that cutting out its middle (``shortest``, what CLIP was trained
    with) would lose the head or the feet of everything tall.
    """

    def __init__(self, source: TowerSource, *, device: str = "auto", precision: str | None = None) -> None:
        self.source = source
        self._precision = precision
        self._device_name = device
        self._lock = threading.Lock()

    @classmethod
    def load(
        cls, name: str, *, device: str = "auto", resize_mode: str | None = "squash", precision: str | None = None
    ) -> ClipTower:
        """The tower ``ARCH__PRETRAINED`` (``ViT-B-16-SigLIP__webli``), ``ARCH__/PATH/FILE`` or of a local folder.

        A folder holds ``open_clip_config.json``, weights, and the tokenizer's files unless that is CLIP's own. OpenAI's
        activation is used where open_clip's record of the weights asks for it; weights from a file are named with an
        architecture that has it (``ViT-B-32-quickgelu``). The image tower computes in ``precision``, ``float32`` or
        ``bfloat16``; by default bfloat16 on a GPU that has it. It is not part of the digest. Without a ``resize_mode``
        pictures are resized as those that the weights were trained with.

        Raises:
            UsageError: an unknown architecture or weights name, or a folder or file that is none.
            WeightsMissingError: published weights that are not on this machine; the message says how to get them.
        """
        return cls(TowerSource.find(name, resize_mode=resize_mode), device=device, precision=precision)

    @property
    def name(self) -> str:
        """The name by which it is loaded again; folders and files by their absolute path."""
        return self.source.name

    @property
    def dimension(self) -> int:
        """Numbers of an embedding, E."""
        return self.source.dimension

    @cached_property
    def digest(self) -> str:
        """One SHA-256 over weights, configuration, vocabulary and preprocessing; no weights are loaded for it."""
        return self.source.digest()

    @property
    def image_side(self) -> int:
        """Longer side in pixels of what the image tower sees."""
        return max(self.source.preprocess.size)

    def encode_pixels(self, crops: Sequence[npt.NDArray[np.uint8]]) -> FloatArray:
        """The unit embeddings (N, E) float32 of crops, each (h, w, 3) uint8 RGB of any size."""
        if not crops:
            return self._empty()
        import torch

        with self._lock:
            visual = self._visual
        parameter = next(visual.parameters())
        mean, std = (
            torch.tensor(values, device=parameter.device).view(3, 1, 1)
            for values in (self.source.preprocess.mean, self.source.preprocess.std)
        )
        rows = []
        with torch.inference_mode():
            for batch in self._batches(crops, parameter.device):
                pixels = batch.to(parameter.device, non_blocking=True).permute(0, 3, 1, 2)  # (B, 3, H, W) uint8
                normalised = ((pixels.float() / 255 - mean) / std).to(parameter.dtype)
                features = visual(normalised.contiguous(memory_format=torch.channels_last))  # (B, E)
                # CoCa's image tower gives tokens beside the embedding.
                rows.append(unit(features[0] if isinstance(features, tuple) else features))
        return np.concatenate([row.cpu().numpy() for row in rows])

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """The unit embeddings (Q, E) float32 of texts, as they are: no prompt is put around them."""
        if not texts:
            return self._empty()
        with self._lock:
            light = None if len(texts) >= MANY_TEXTS and self._has_gpu() else self._light_text
            text = light or self._text
        return text.embed(texts)

    def dropped_words(self, text: str) -> list[str]:
        """The words of a text, from the first that is not read whole, that lie beyond the tower's context length."""
        with self._lock:
            counter = self._light_text.words if self._light_text else self._text
        words = text.split()
        low, high = 0, len(words)
        while low < high:  # the longest beginning that fits
            middle = (low + high + 1) // 2
            if counter.count(" ".join(words[:middle])) <= self.source.context_length:
                low = middle
            else:
                high = middle - 1
        return words[low:]

    def _empty(self) -> FloatArray:
        return np.zeros((0, self.dimension), dtype=np.float32)

    def _batches(self, crops: Sequence[npt.NDArray[np.uint8]], device: torch.device) -> Iterator[torch.Tensor]:
        """Resized crops (B, H, W, 3) uint8; for a GPU in pinned memory, the next batch made while one is in work."""
        import torch

        resize = self.source.preprocess.resize
        chunks = [crops[start : start + BATCH] for start in range(0, len(crops), BATCH)]
        if device.type != "cuda":
            for chunk in chunks:
                yield torch.from_numpy(np.stack([resize(crop) for crop in chunk]))
            return
        with ThreadPoolExecutor(RESIZERS) as pool:
            waiting = [pool.submit(resize, crop) for crop in chunks[0]]
            for i in range(len(chunks)):
                resized = [future.result() for future in waiting]
                waiting = [pool.submit(resize, crop) for crop in chunks[i + 1]] if i + 1 < len(chunks) else []
                yield torch.from_numpy(np.stack(resized)).pin_memory()

    def _has_gpu(self) -> bool:
        from reir.models.device import resolve_device

        return self._device_name != "cpu" and resolve_device(self._device_name).type == "cuda"

    @cached_property
    def _visual(self) -> torch.nn.Module:
        import torch

        from reir.models.device import resolve_device, working_dtype

        device = resolve_device(self._device_name)
        dtype = getattr(torch, self._precision) if self._precision else working_dtype(device)
        visual: torch.nn.Module = build_network(self.source).visual
        return visual.to(device, dtype).to(memory_format=torch.channels_last)

    @cached_property
    def _light_text(self) -> ClipText | None:
        return ClipText.load(self.source)

    @cached_property
    def _text(self) -> OpenClipText:
        from reir.models.device import resolve_device

        return OpenClipText(self.source, resolve_device(self._device_name))
