"""From picture files to an index: walk, plan, decode, extract, write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reir.indexer.location import find_index
    from reir.indexer.opening import open_existing, open_or_create
    from reir.indexer.options import DEFAULT_MAX_INSTANCES, IndexOptions, IndexReport
    from reir.indexer.progress import Progress, ProgressState
    from reir.indexer.run import rehearse, run_index

__all__ = [
    "DEFAULT_MAX_INSTANCES",
    "IndexOptions",
    "IndexReport",
    "Progress",
    "ProgressState",
    "find_index",
    "open_existing",
    "open_or_create",
    "rehearse",
    "run_index",
]

_ROOMS = {
    "DEFAULT_MAX_INSTANCES": "options",
    "IndexOptions": "options",
    "IndexReport": "options",
    "Progress": "progress",
    "ProgressState": "progress",
    "find_index": "location",
    "open_existing": "opening",
    "open_or_create": "opening",
    "rehearse": "run",
    "run_index": "run",
}


def __getattr__(name: str) -> Any:
    # Loaded when asked for: a decoding process comes through here too, and needs none of it.
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
