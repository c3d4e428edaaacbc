"""Models: each gives an instance a vector when it is indexed and a query a vector when it is searched."""

from reir.models import entries as entries
from reir.models.calibration import CALIBRATION_FILE, Calibration
from reir.models.registry import ModelEntry, list_models, load_model, model_entry, model_spec, register
from reir.models.specification import ModelSpec

__all__ = [
    "CALIBRATION_FILE",
    "Calibration",
    "ModelEntry",
    "ModelSpec",
    "list_models",
    "load_model",
    "model_entry",
    "model_spec",
    "register",
]
