"""Glyphs of the nouns as small pictures, read once from the Noto Color Emoji font."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from reir.data.scenes.nouns import nouns_by_name
from reir.errors import ReirError

FONT_VARIABLE = "REIR_EMOJI_FONT"
FONT_FILE = "NotoColorEmoji.ttf"
FONT_FOLDERS = (
    "/usr/share/fonts/truetype/noto",
    "/usr/share/fonts/noto",
    "/usr/share/fonts/google-noto-emoji",
    "/usr/share/fonts/google-noto-color-emoji-fonts",
    "/usr/local/share/fonts",
    "~/.local/share/fonts",
    "~/.fonts",
    "~/Library/Fonts",
    "/Library/Fonts",
)
FONT_SIZE = 109
"""The one size (pixels per em) at which the font carries bitmaps."""

TIGHT_ALPHA = 24
"""Pixels fainter than this (of 255) do not count towards a glyph's tight box."""


class EmojiFontError(ReirError):
    """The emoji font is not installed, or is not a font with bitmaps at the expected size."""

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(
            f"{cause}. Install the font with: apt-get install fonts-noto-color-emoji "
            f"(or put the path of {FONT_FILE} into {FONT_VARIABLE})"
        )


def find_font() -> Path:
    """Path of the emoji font: ``REIR_EMOJI_FONT`` if set, else the first found in the usual folders.

    Raises:
        EmojiFontError: there is none.
    """
    chosen = os.environ.get(FONT_VARIABLE)
    if chosen:
        if not Path(chosen).is_file():
            raise EmojiFontError(f"{FONT_VARIABLE} names {chosen}, and there is no such file")
        return Path(chosen)
    for folder in FONT_FOLDERS:
        path = Path(folder).expanduser() / FONT_FILE
        if path.is_file():
            return path
    raise EmojiFontError(f"no emoji font ({FONT_FILE}) on this machine")


@lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont:
    path = find_font()
    try:
        return ImageFont.truetype(str(path), size=FONT_SIZE, layout_engine=ImageFont.Layout.BASIC)
    except OSError as error:
        raise EmojiFontError(f"the emoji font {path} cannot be used ({error})") from error


@lru_cache(maxsize=256)
def glyph(noun: str) -> npt.NDArray[np.uint8]:
    """The noun's glyph, (h, w, 4) uint8 RGBA, cropped to its tight box; about 128 pixels on its longer side.

    Raises:
        KeyError: no such noun.
        EmojiFontError: the font is missing, or does not have this glyph.
    """
    entry = nouns_by_name()[noun]
    canvas = Image.new("RGBA", (192, 192))
    # The variation selector has no picture of its own: without text shaping it would draw an empty box.
    ImageDraw.Draw(canvas).text((24, 24), entry.text[0], font=_font(), embedded_color=True)
    pixels = np.array(canvas)
    rows, columns = (np.flatnonzero((pixels[..., 3] >= TIGHT_ALPHA).any(axis=axis)) for axis in (1, 0))
    if len(rows) == 0:
        raise EmojiFontError(f"the font {find_font()} has no glyph for {noun!r} (U+{ord(entry.text[0]):04X})")
    top = rows[0] + round(entry.trim * (rows[-1] + 1 - rows[0]))
    pixels = pixels[top : rows[-1] + 1]
    columns = np.flatnonzero((pixels[..., 3] >= TIGHT_ALPHA).any(axis=0))
    rows = np.flatnonzero((pixels[..., 3] >= TIGHT_ALPHA).any(axis=1))
    tight = np.ascontiguousarray(pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    tight.setflags(write=False)
    return tight
