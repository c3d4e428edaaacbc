"""Photographs with objects and expressions, in batches, as the paper trains on them (appendix A)."""

from reir.training.photos.batches import PhotoBatches, open_source
from reir.training.photos.config import PhotoConfig, PhotoSource

__all__ = ["PhotoBatches", "PhotoConfig", "PhotoSource", "open_source"]
