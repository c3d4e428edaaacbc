"""Training: run files, emoji scenes as batches, the objective, checkpoints."""

from reir.training.config import TrainConfig, load_config, parse_config, preset_names
from reir.training.relating import RelatingConfig

__all__ = ["RelatingConfig", "TrainConfig", "load_config", "parse_config", "preset_names"]
