"""Models: each gives an instance a vector when it is indexed and a query a vector when it is searched.

What concerns the weights of pretrained models is imported at its first use: a search by the model of the package does
not need it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from reir.models import entries as entries
from reir.models.auto import FALLBACK, PREFERRED, auto_name
from reir.models.calibration import CALIBRATION_FILE, Calibration
from reir.models.grounders import GrounderEntry, list_grounders, load_grounder
from reir.models.registry import ModelEntry, list_models, load_model, model_entry, model_spec, register
from reir.models.specification import ModelSpec

if TYPE_CHECKING:
    from reir.models.carry import finish_folder, folder_layout
    from reir.models.parts import model_sources, tower_sources

__all__ = [
    "CALIBRATION_FILE",
    "FALLBACK",
    "PREFERRED",
    "Calibration",
    "GrounderEntry",
    "ModelEntry",
    "ModelSpec",
    "auto_name",
    "finish_folder",
    "folder_layout",
    "list_grounders",
    "list_models",
    "load_grounder",
    "load_model",
    "model_entry",
    "model_sources",
    "model_spec",
    "register",
    "tower_sources",
]

_DEFERRED = {"finish_folder": "carry", "folder_layout": "carry", "model_sources": "parts", "tower_sources": "parts"}


def __getattr__(name: str) -> Any:
    """A public name of a module that is imported late."""
    if name in _DEFERRED:
        return getattr(import_module(f"{__name__}.{_DEFERRED[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
