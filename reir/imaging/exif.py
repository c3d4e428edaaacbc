"""What a camera wrote beside the pixels: which way is up, when, and where."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from PIL import Image
from PIL.ExifTags import GPS, IFD, Base


@dataclass(frozen=True, slots=True)
class ExifFacts:
    """The few EXIF fields that reir keeps; a field that is missing or nonsense has its default.

    ``orientation`` is EXIF's 1 to 8. ``taken_at`` is the camera's own clock, without a time zone: a search for "after
    the 3rd of May" means the date where the picture was taken. Degrees are WGS 84, north and east positive.
    """

    orientation: int = 1
    taken_at: datetime | None = None
    latitude: float | None = None
    longitude: float | None = None


def read_exif(image: Image.Image) -> ExifFacts:
    """The EXIF facts of an opened picture; a damaged EXIF block counts as none.

    Pillow reads JPEG, PNG, WebP, AVIF and TIFF blocks alike and takes the orientation from XMP where EXIF has none.
    """
    try:
        exif = image.getexif()
    except Exception:  # Pillow lets any parser error through; the picture itself may still be whole.
        return ExifFacts()
    latitude, longitude = _place(_block(exif, IFD.GPSInfo))
    return ExifFacts(_orientation(exif), _taken_at(exif, _block(exif, IFD.Exif)), latitude, longitude)


def _block(exif: Image.Exif, tag: int) -> Mapping[int, Any]:
    try:
        return exif.get_ifd(tag)
    except Exception:  # As above: a block of its own may be damaged while the rest is fine.
        return {}


def _orientation(exif: Image.Exif) -> int:
    value = exif.get(Base.Orientation)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _taken_at(exif: Image.Exif, block: Mapping[int, Any]) -> datetime | None:
    for value in (block.get(Base.DateTimeOriginal), block.get(Base.DateTimeDigitized), exif.get(Base.DateTime)):
        if not isinstance(value, str):
            continue
        try:
            return datetime.strptime(value.strip("\0 ")[:19], "%Y:%m:%d %H:%M:%S")
        except ValueError:
            continue
    return None


def _place(block: Mapping[int, Any]) -> tuple[float | None, float | None]:
    latitude = _degrees(block.get(GPS.GPSLatitude), block.get(GPS.GPSLatitudeRef), "S", 90.0)
    longitude = _degrees(block.get(GPS.GPSLongitude), block.get(GPS.GPSLongitudeRef), "W", 180.0)
    # Cameras without a fix write zeros; a half-known place is no place.
    if latitude is None or longitude is None or (latitude == 0.0 and longitude == 0.0):
        return None, None
    return latitude, longitude


def _degrees(parts: Any, reference: Any, negative: str, limit: float) -> float | None:
    try:
        degrees, minutes, seconds = (float(part) for part in parts)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    value = degrees + minutes / 60 + seconds / 3600
    if not math.isfinite(value) or not 0.0 <= value <= limit:
        return None
    return -value if str(reference).strip("\0 ").upper() == negative else value
