"""Pixels in and out: decoding any picture file upright, fitting it to a model's canvas, drawing what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reir.imaging.decode import SUFFIXES, Decoded, as_picture, decode_picture
from reir.imaging.exif import ExifFacts, read_exif
from reir.imaging.letterbox import GREY, Letterbox, nearest_canvas

if TYPE_CHECKING:
    from reir.imaging.draw import Ellipse, Mark, draw_boxes
    from reir.imaging.sheet import Panel, contact_sheet

__all__ = [
    "GREY",
    "SUFFIXES",
    "Decoded",
    "Ellipse",
    "ExifFacts",
    "Letterbox",
    "Mark",
    "Panel",
    "as_picture",
    "contact_sheet",
    "decode_picture",
    "draw_boxes",
    "nearest_canvas",
    "read_exif",
]

_DRAWING = {
    "Ellipse": "draw",
    "Mark": "draw",
    "draw_boxes": "draw",
    "Panel": "sheet",
    "contact_sheet": "sheet",
}


def __getattr__(name: str) -> Any:
    # Loaded when asked for: a decoding process comes through here too, and draws nothing.
    if name not in _DRAWING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_DRAWING[name]}"), name)
