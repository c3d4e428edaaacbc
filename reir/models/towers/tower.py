"""A tower of open_clip as reir uses it: crops and texts to unit vectors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reir.errors import UsageError
from reir.models.towers.source import TowerSource
from reir.types import FloatArray

if TYPE_CHECKING:
    import torch

BATCH = 64
"""Crops or texts that go through the tower together: more brings a GPU little and costs memory."""
RESIZERS = 8
"""Threads that resize crops for a GPU while it works; on a CPU the tower itself uses every core."""


class ClipTower:
    """Any model of open_clip: CLIP, EVA-CLIP, SigLIP and their like. Safe from several threads.

    Made by ``load``, which reads no weights. The image tower is loaded by the first crop, the text tower by the first
    text; the other half of the checkpoint is let go. On a GPU that computes in bfloat16 the image tower does; the text
    tower stays in float32, because queries are few and cost nothing.

    Crops are squashed to the tower's size by default: the paper on detectors and CLIP resizes its crops to 224x224
    (section 3.2), and a crop shows one object, so that cutting out its middle (``shortest``, what CLIP was trained
    with) would lose the head or the feet of everything tall.
    """

    def __init__(self, source: TowerSource, *, device: str = "auto") -> None:
        self.source = source
        self._device_name = device
        self._lock = threading.Lock()

    @classmethod
    def load(cls, name: str, *, device: str = "auto", resize_mode: str = "squash") -> ClipTower:
        """The tower ``ARCH__PRETRAINED`` (``ViT-B-16-SigLIP__webli``), ``ARCH__/PATH/FILE`` or of a local folder.

        A folder holds ``open_clip_config.json``, weights, and the tokenizer's files unless that is CLIP's own. OpenAI's
        activation is used where open_clip's record of the weights asks for it; weights from a file are named with an
        architecture that has it (``ViT-B-32-quickgelu``).

        Raises:
            UsageError: an unknown architecture or weights name, or a folder or file that is none.
            WeightsMissingError: published weights that are not on this machine; the message says how to get them.
        """
        return cls(TowerSource.find(name, resize_mode=resize_mode), device=device)

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
                normalised = (pixels.float() / 255 - mean) / std
                features = visual(
                    normalised.to(parameter.dtype).contiguous(memory_format=torch.channels_last)
                )  # (B, E)
                # CoCa's image tower gives tokens beside the embedding.
                rows.append(_unit(features[0] if isinstance(features, tuple) else features))
        return np.concatenate([row.cpu().numpy() for row in rows])

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """The unit embeddings (Q, E) float32 of texts, as they are: no prompt is put around them."""
        if not texts:
            return self._empty()
        import torch

        with self._lock:
            model, tokenizer = self._text, self._tokenizer
        device = next(model.parameters()).device
        rows = []
        with torch.inference_mode():
            for start in range(0, len(texts), BATCH):
                tokens = tokenizer(list(texts[start : start + BATCH])).to(device)
                rows.append(_unit(model.encode_text(tokens)).cpu().numpy())
        return np.concatenate(rows)

    def dropped_words(self, text: str) -> list[str]:
        """The words of a text, from the first that is not read whole, that lie beyond the tower's context length."""
        with self._lock:
            count = self._count_tokens
        words = text.split()
        low, high = 0, len(words)
        while low < high:  # the longest beginning that fits
            middle = (low + high + 1) // 2
            if count(" ".join(words[:middle])) <= self.source.context_length:
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

    @cached_property
    def _visual(self) -> torch.nn.Module:
        import torch

        from reir.models.device import resolve_device, working_dtype

        device = resolve_device(self._device_name)
        visual: torch.nn.Module = self._build().visual
        return visual.to(device, working_dtype(device)).to(memory_format=torch.channels_last)

    @cached_property
    def _text(self) -> Any:
        from reir.models.device import resolve_device

        model = self._build()
        del model.visual
        return model.to(resolve_device(self._device_name))

    def _build(self) -> Any:
        """The whole model of open_clip with its weights, on the CPU."""
        import open_clip

        source = self.source
        settings: dict[str, Any] = {}
        if source.language_model is not None:
            settings["text_cfg"] = {**source.model_config["text_cfg"], "hf_model_name": str(source.language_model)}
        try:
            if source.folder is not None:
                model = open_clip.create_model(f"local-dir:{source.folder}", **settings)
            else:
                model = open_clip.create_model(
                    source.architecture,
                    pretrained=str(source.weights),
                    force_quick_gelu=source.quick_gelu,
                    **settings,
                )
        except (RuntimeError, KeyError, ValueError, TypeError) as error:
            cause = " ".join(str(error).split())[:300]
            raise UsageError(f"the weights {source.weights} do not fit the tower {source.name}: {cause}") from error
        return model.eval().requires_grad_(False)

    @cached_property
    def _tokenizer(self) -> Any:
        from open_clip.tokenizer import HFTokenizer, SimpleTokenizer

        text = self.source.model_config["text_cfg"]
        settings = dict(text.get("tokenizer_kwargs", {}))
        if self.source.vocabulary is None:
            return SimpleTokenizer(context_length=self.source.context_length, **settings)
        return HFTokenizer(
            str(self.source.vocabulary),
            context_length=self.source.context_length,
            tokenizer_mode=text.get("tokenizer_mode"),
            local_files_only=True,
            **settings,
        )

    @cached_property
    def _count_tokens(self) -> Callable[[str], int]:
        """Counts the tokens of a text with those that mark start, end and class."""
        tokenizer = self._tokenizer
        if self.source.vocabulary is None:
            return lambda text: len(tokenizer.encode(text)) + 2
        if tokenizer.tokenizer_mode == "clips":
            return lambda text: (
                len(tokenizer.tokenizer(tokenizer.clean_fn(text), add_special_tokens=False).input_ids) + 3
            )
        return lambda text: len(tokenizer.tokenizer(tokenizer.clean_fn(text)).input_ids)


def _unit(features: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.nn.functional.normalize(features.float(), dim=-1)
