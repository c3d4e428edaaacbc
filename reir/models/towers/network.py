"""A tower's networks as open_clip builds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reir.errors import UsageError
from reir.models.towers.source import TowerSource
from reir.types import FloatArray

if TYPE_CHECKING:
    import torch

BATCH = 64
"""Crops or texts that go through a network together: more brings a GPU little and costs memory."""


def build_network(source: TowerSource) -> Any:
    """The whole model of open_clip with its weights, on the CPU, for inference.

    Raises:
        UsageError: the weights are damaged or another architecture's.
    """
    import open_clip

    settings: dict[str, Any] = {}
    if source.language_model is not None:
        settings["text_cfg"] = {**source.model_config["text_cfg"], "hf_model_name": str(source.language_model)}
    try:
        if source.folder is not None:
            model = open_clip.create_model(f"local-dir:{source.folder}", **settings)
        else:
            model = open_clip.create_model(
                source.architecture, pretrained=str(source.weights), force_quick_gelu=source.quick_gelu, **settings
            )
    except Exception as error:  # torch, safetensors and pickle each have errors of their own for a wrong file
        cause = " ".join(str(error).split())[:300]
        raise UsageError(f"the weights {source.weights} do not fit the tower {source.name}: {cause}") from error
    return model.eval().requires_grad_(False)


class OpenClipText:
    """The text half of any tower. In float32 on every device: queries are few, and theirs is the last word."""

    def __init__(self, source: TowerSource, device: torch.device) -> None:
        self._source = source
        self._device = device
        model = build_network(source)
        del model.visual
        self._model = model.to(device)
        self._tokenizer = _tokenizer(source)

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """The unit embeddings (Q, E) float32 of texts; Q at least 1."""
        import torch

        rows = []
        with torch.inference_mode():
            for start in range(0, len(texts), BATCH):
                tokens = self._tokenizer(list(texts[start : start + BATCH])).to(self._device)
                rows.append(unit(self._model.encode_text(tokens)).cpu().numpy())
        return np.concatenate(rows)

    def count(self, text: str) -> int:
        """How many tokens a text has when nothing is cut, with those that mark start, end and class."""
        tokenizer = self._tokenizer
        if self._source.vocabulary is None:
            return len(tokenizer.encode(text)) + 2
        clean = tokenizer.clean_fn(text)
        if tokenizer.tokenizer_mode == "clips":
            return len(tokenizer.tokenizer(clean, add_special_tokens=False).input_ids) + 3
        return len(tokenizer.tokenizer(clean).input_ids)


def unit(features: torch.Tensor) -> torch.Tensor:
    """The rows (N, E) at length 1, float32."""
    import torch

    return torch.nn.functional.normalize(features.float(), dim=-1)


def _tokenizer(source: TowerSource) -> Any:
    from open_clip.tokenizer import HFTokenizer, SimpleTokenizer

    text = source.model_config["text_cfg"]
    settings = dict(text.get("tokenizer_kwargs", {}))
    if source.vocabulary is None:
        return SimpleTokenizer(context_length=source.context_length, **settings)
    return HFTokenizer(
        str(source.vocabulary),
        context_length=source.context_length,
        tokenizer_mode=text.get("tokenizer_mode"),
        local_files_only=True,
        **settings,
    )
