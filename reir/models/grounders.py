"""Methods that find one object in one picture by themselves, by name: one frozen record each."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from reir.errors import UsageError
from reir.models.specification import ModelSpec
from reir.protocols import Grounder


@dataclass(frozen=True, slots=True)
class GrounderEntry:
    """What is known of a grounder before it is made."""

    name: str
    summary: str
    loader: str
    """``module:function`` that makes it of a name with options, and ``device``."""
    paper: str


_ENTRIES = {
    entry.name: entry
    for entry in (
        GrounderEntry(
            name="ellipse",
            summary="a red ellipse, tuned from the best of many until image-text towers see in it what is asked for",
            loader="reir.models.ellipse.grounder:load",
            paper="Tune-An-Ellipse: CLIP Has Potential to Find What You Want",
        ),
        GrounderEntry(
            name="vatex",
            summary="the mask and box of VATEX's surest query; trained by reir train, vatex:FOLDER",
            loader="reir.models.vatex.grounder:load",
            paper="Vision-Aware Text Features in Referring Image Segmentation",
        ),
    )
}


def list_grounders() -> list[GrounderEntry]:
    """Every grounder, by name."""
    return [_ENTRIES[name] for name in sorted(_ENTRIES)]


def load_grounder(name: str, *, device: str = "auto") -> Grounder:
    """The grounder of a name, perhaps with an argument and options (``NAME:FOLDER,steps=100``).

    Raises:
        UsageError: no such grounder, or a wrong option.
    """
    spec = ModelSpec.parse(name)
    entry = _ENTRIES.get(spec.name)
    if entry is None:
        near = difflib.get_close_matches(spec.name, _ENTRIES, n=1)
        hint = f" Did you mean {near[0]}?" if near else f" There are: {', '.join(sorted(_ENTRIES))}"
        raise UsageError(f"no grounder named {spec.name!r}.{hint}")
    module, _, function = entry.loader.partition(":")
    make: Callable[..., Grounder] = getattr(import_module(module), function)
    return make(spec, device=device)
