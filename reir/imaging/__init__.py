"""Pixels in and out: decoding any picture file upright, fitting it to a model's canvas, reading its EXIF."""

from reir.imaging.decode import SUFFIXES, Decoded, decode_picture
from reir.imaging.exif import ExifFacts, read_exif
from reir.imaging.letterbox import GREY, Letterbox, nearest_canvas

__all__ = [
    "GREY",
    "SUFFIXES",
    "Decoded",
    "ExifFacts",
    "Letterbox",
    "decode_picture",
    "nearest_canvas",
    "read_exif",
]
