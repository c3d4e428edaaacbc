"""Models: each gives an instance a vector when it is indexed and a query a vector when it is searched."""

from reir.models.calibration import CALIBRATION_FILE, Calibration
from reir.models.registry import ModelEntry, list_models, load_model, model_entry, register

__all__ = ["CALIBRATION_FILE", "Calibration", "ModelEntry", "list_models", "load_model", "model_entry", "register"]
