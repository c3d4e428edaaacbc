"""Layout: which things stand where, from a seed."""

from reir.data.layout.frames import ASPECTS, picture_size, resized
from reir.data.layout.scenes import MINIMUM_VISIBLE, lay_out, make_scene

__all__ = ["ASPECTS", "MINIMUM_VISIBLE", "lay_out", "make_scene", "picture_size", "resized"]
