"""How wide and how tall things are for their size."""

from __future__ import annotations

from functools import cache

from reir.data.scenes.glyphs import glyph


@cache
def glyph_shape(noun: str) -> tuple[float, float]:
    """Width and height of the noun's tight box, as shares of its longer side."""
    height, width = glyph(noun).shape[:2]
    longer = max(width, height)
    return width / longer, height / longer
