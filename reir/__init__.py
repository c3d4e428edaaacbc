"""Finds the object you describe, in all your pictures, and shows where it is.

>>> from reir import Gallery
>>> with Gallery.open("photos/.reir") as gallery:                      # doctest: +SKIP
...     for hit in gallery.search("brown dog on a cushion").hits:
...         print(hit.path, hit.box, hit.score)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reir.client import Client, ServiceError
    from reir.errors import ReirError
    from reir.gallery import Gallery, GalleryInfo, ground
    from reir.types import Hit, Picture, SearchOptions, SearchResult

    __version__: str

__all__ = [
    "Client",
    "Gallery",
    "GalleryInfo",
    "Hit",
    "Picture",
    "ReirError",
    "SearchOptions",
    "SearchResult",
    "ServiceError",
    "__version__",
    "ground",
]

_HOMES = {
    "Client": "reir.client",
    "Gallery": "reir.gallery",
    "GalleryInfo": "reir.gallery",
    "Hit": "reir.types",
    "Picture": "reir.types",
    "ReirError": "reir.errors",
    "SearchOptions": "reir.types",
    "SearchResult": "reir.types",
    "ServiceError": "reir.client",
    "ground": "reir.gallery",
}


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first asked for: ``import reir`` itself loads nothing."""
    if name == "__version__":
        from importlib.metadata import version

        return version("reir")
    if name not in _HOMES:
        raise AttributeError(f"module 'reir' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
