"""Fine-tuning of detectors on referring expressions: both methods of "Bridging Detection and Language"."""

from reir.training.referring.config import ReferringConfig

__all__ = ["ReferringConfig"]
