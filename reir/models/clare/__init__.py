"""CLARE, Contrastive Language-Instance Alignment with Relation Experts: the paper's network, from tiny to full size.

What needs torch is imported at its first use, so that a text query in ONNX Runtime does not pay for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from reir.models.clare.config import TINY, VIT_B, VIT_L, ClareConfig

if TYPE_CHECKING:
    from reir.models.clare.builder import build_clare
    from reir.models.clare.denoising import DenoisingQueries, denoising_queries
    from reir.models.clare.network import Clare
    from reir.models.clare.outputs import TextOutput, VisualOutput
    from reir.models.clare.start import StartReport, load_start_weights
    from reir.models.clare.tokenizer import SiglipTokenizer, load_tokenizer

__all__ = [
    "TINY",
    "VIT_B",
    "VIT_L",
    "Clare",
    "ClareConfig",
    "DenoisingQueries",
    "SiglipTokenizer",
    "StartReport",
    "TextOutput",
    "VisualOutput",
    "build_clare",
    "denoising_queries",
    "load_start_weights",
    "load_tokenizer",
]

_DEFERRED = {
    "Clare": "network",
    "DenoisingQueries": "denoising",
    "SiglipTokenizer": "tokenizer",
    "StartReport": "start",
    "TextOutput": "outputs",
    "VisualOutput": "outputs",
    "build_clare": "builder",
    "denoising_queries": "denoising",
    "load_start_weights": "start",
    "load_tokenizer": "tokenizer",
}


def __getattr__(name: str) -> Any:
    """A public name of a module that is imported at its first use."""
    if name in _DEFERRED:
        return getattr(import_module(f"{__name__}.{_DEFERRED[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
