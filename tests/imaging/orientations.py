"""How cameras store what they saw upright."""

from __future__ import annotations

from PIL import Image
from PIL.ExifTags import Base

STORED_AS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How the camera holds an upright picture whose file then says orientation 2 to 8."""


def with_orientation(orientation: int) -> Image.Exif:
    """The EXIF block that says so."""
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    return exif
