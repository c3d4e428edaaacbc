"""Training: run files, emoji scenes as batches, the objective, checkpoints."""

from reir.training.config import TrainConfig, load_config, parse_config, preset_names
from reir.training.relating import RelatingConfig
from reir.training.vatex import VatexTraining

__all__ = ["RelatingConfig", "TrainConfig", "VatexTraining", "load_config", "parse_config", "preset_names"]
