"""Models by name: one frozen record each."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from reir.errors import UnknownModelError, UsageError
from reir.protocols import Model


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """What is known of a model before it is loaded."""

    name: str
    summary: str
    source: str
    """``package`` (weights ship with reir) or ``folder`` (give a path: ``NAME:FOLDER``)."""
    licence: str
    paper: str
    world: str
    """What it can be asked about."""
    megabytes: float | None = None


_ENTRIES: dict[str, ModelEntry] = {}


def register(entry: ModelEntry) -> ModelEntry:
    """The entry, now known by its name.

    Raises:
        ValueError: the name is taken.
    """
    if entry.name in _ENTRIES:
        raise ValueError(f"a model named {entry.name!r} is registered already")
    _ENTRIES[entry.name] = entry
    return entry


CLARE_PAPER = "Referring Expression Instance Retrieval and A Strong End-to-End Baseline (ACM MM 2025)"

CLARE_TINY = register(
    ModelEntry(
        name="clare-tiny",
        summary="every part of CLARE, small; embedded in the package, needs no network",
        source="package",
        licence="Apache-2.0",
        paper=CLARE_PAPER,
        world="emoji scenes only: it was trained on nothing else and finds nothing sensible in photos",
        megabytes=10.9,
    )
)
CLARE = register(
    ModelEntry(
        name="clare",
        summary="CLARE from a checkpoint folder written by reir train: clare:FOLDER",
        source="folder",
        licence="of the checkpoint",
        paper=CLARE_PAPER,
        world="what the checkpoint was trained on",
    )
)


def list_models() -> list[ModelEntry]:
    """Every registered model, by name."""
    return [_ENTRIES[name] for name in sorted(_ENTRIES)]


def model_entry(name: str) -> ModelEntry:
    """The record of a name.

    Raises:
        UnknownModelError: it is not registered; near names are told.
    """
    if name not in _ENTRIES:
        raise UnknownModelError(name, difflib.get_close_matches(name, _ENTRIES, n=2))
    return _ENTRIES[name]


def load_model(name: str = "auto", *, device: str = "auto") -> Model:
    """The model of a name; cheap: weights and torch are loaded at its first ``extract``.

    ``auto`` is the best model that can be had here; today that is ``clare-tiny``, whose ``notice`` says how narrow
    its world is. ``clare:FOLDER`` is a checkpoint folder written by ``reir train``.

    Raises:
        UnknownModelError: no such name.
        UsageError: a folder is missing, or is not a checkpoint.
    """
    from reir.models.clare.model import ClareModel

    base, _, folder = name.partition(":")
    entry = model_entry(CLARE_TINY.name if base == "auto" else base)
    if entry.source == "folder":
        if not folder:
            raise UsageError(f"{entry.name} needs a checkpoint folder: --model {entry.name}:FOLDER")
        # Indexes keep the name, and are searched from any working folder.
        path = Path(folder).expanduser().resolve()
        return ClareModel(path, name=f"{entry.name}:{path}", device=device)
    if folder:
        raise UsageError(f"{entry.name} ships with the package and takes no folder")
    return ClareModel(
        Path(str(resources.files("reir.models") / "weights" / entry.name)), name=entry.name, device=device
    )
