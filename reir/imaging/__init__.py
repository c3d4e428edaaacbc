"""Pixels in and out: decoding any picture file upright, fitting it to a model's canvas, reading its EXIF."""

from reir.imaging.letterbox import GREY, Letterbox, nearest_canvas

__all__ = ["GREY", "Letterbox", "nearest_canvas"]
