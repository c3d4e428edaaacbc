"""Models: each gives an instance a vector when it is indexed and a query a vector when it is searched."""

from reir.models import entries as entries
from reir.models.auto import FALLBACK, PREFERRED, auto_name
from reir.models.calibration import CALIBRATION_FILE, Calibration
from reir.models.carry import finish_folder, folder_layout
from reir.models.parts import model_sources, tower_sources
from reir.models.registry import ModelEntry, list_models, load_model, model_entry, model_spec, register
from reir.models.specification import ModelSpec

__all__ = [
    "CALIBRATION_FILE",
    "FALLBACK",
    "PREFERRED",
    "Calibration",
    "ModelEntry",
    "ModelSpec",
    "auto_name",
    "finish_folder",
    "folder_layout",
    "list_models",
    "load_model",
    "model_entry",
    "model_sources",
    "model_spec",
    "register",
    "tower_sources",
]
