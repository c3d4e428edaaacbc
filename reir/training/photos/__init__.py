"""Photographs with objects and expressions, in batches, as the paper trains on them (appendix A)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reir.training.photos.config import PhotoConfig, PhotoSource

if TYPE_CHECKING:
    from reir.training.photos.batches import PhotoBatches

__all__ = ["PhotoBatches", "PhotoConfig", "PhotoSource"]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: a run file is read without torch.
    if name != "PhotoBatches":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from reir.training.photos.batches import PhotoBatches

    return PhotoBatches
