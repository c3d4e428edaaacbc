"""Models by name: one frozen record each."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from reir.errors import UnknownModelError, UsageError
from reir.models.auto import auto_name
from reir.models.recognise import recognise_folder
from reir.models.specification import ModelSpec
from reir.protocols import Model

if TYPE_CHECKING:
    from reir.models.hub import Source

Kind = Literal["package", "folder", "hub"]


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """What is known of a model before it is loaded."""

    name: str
    summary: str
    source: Kind
    """``package`` (weights ship with reir), ``folder`` (give a path: ``NAME:FOLDER``) or ``hub`` (downloaded)."""
    loader: str
    """``package.module:function``; called with the ``ModelSpec`` and ``device``."""
    licence: str
    paper: str
    world: str
    """What it can be asked about."""
    transforms: str
    """What is done to a picture before the network sees it."""
    megabytes: float | None = None
    pace: str | None = None
    """Images a second, and where that was measured."""

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where its weights come from, with pinned revisions and hashes, as far as its name alone says."""
        from reir.models.parts import model_sources

        return tuple(model_sources(ModelSpec(self.name)))


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


def model_spec(name: str) -> ModelSpec:
    """The parts of a model's name, with its folder made absolute: indexes are searched from any working folder.

    A path to a folder alone is named by the configuration inside it.

    Raises:
        UnknownModelError: no such name.
        UsageError: the folder's configuration tells no model, or its path reads like an option.
    """
    folder = Path(name).expanduser()
    if name not in _ENTRIES and folder.is_dir():
        spec = ModelSpec(recognise_folder(folder), str(folder.resolve()))
        if ModelSpec.parse(str(spec)) != spec:
            raise UsageError(f"{spec.argument} holds a comma before a name and '=', as options do. Rename the folder")
        return spec
    spec = ModelSpec.parse(name)
    model_entry(spec.name)
    if spec.argument is not None:
        folder = Path(spec.argument).expanduser()
        if folder.is_dir():
            return ModelSpec(spec.name, str(folder.resolve()), spec.options)
        if folder.name != spec.argument and "__" not in spec.argument:  # a tower may be ARCH__/PATH/FILE
            raise UsageError(f"there is no folder {folder}")
    return spec


def load_model(name: str = "auto", *, device: str = "auto") -> Model:
    """The model of a name; cheap: weights and torch are loaded at its first ``extract``.

    ``auto`` is ``owlv2-base`` where its weights are on this machine, else ``clare-tiny``, whose ``notice`` says how
    narrow its world is. ``NAME:FOLDER`` takes the weights of a folder, a folder alone is told apart by its
    configuration. Nothing is downloaded here, whatever the name.

    Raises:
        UnknownModelError: no such name.
        UsageError: a folder is missing, or is not that of such a model.
        WeightsMissingError: the weights are not here; the message names the command that fetches them.
    """
    spec = model_spec(auto_name() if name == "auto" else name)
    module, _, function = model_entry(spec.name).loader.partition(":")
    return cast(Model, getattr(import_module(module), function)(spec, device=device))
