"""Training: run files, emoji scenes as batches, the objective, checkpoints."""

from reir.training.config import TrainConfig, load_config, parse_config, preset_names

__all__ = ["TrainConfig", "load_config", "parse_config", "preset_names"]
