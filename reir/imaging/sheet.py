"""A contact sheet: the query on top, the ranked pictures with their boxes in a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from reir.imaging.draw import Colour, Mark, draw_boxes, font
from reir.types import Picture

CELL_WIDTH, CELL_HEIGHT = 360, 300
"""The room of one picture in pixels; it is fitted in with its aspect kept."""

_MARGIN, _GAP, _CAPTION, _CORNER = 36, 22, 58, 10
_GROUND: Colour = (246, 246, 243)
_CARD: Colour = (255, 255, 255)
_CARD_EDGE: Colour = (222, 222, 216)
_WELL: Colour = (236, 236, 231)
_INK: Colour = (28, 30, 34)
_SOFT_INK: Colour = (112, 115, 120)
_WARNING: Colour = (255, 236, 190)
_WARNING_INK: Colour = (120, 72, 0)


@dataclass(frozen=True, slots=True)
class Panel:
    """One place of the sheet: the picture (None if its file cannot be read now), its marks, a caption of at most two
    lines (a path, or an expression) and a short note beside it.
    """

    rank: int
    picture: Picture | None
    marks: Sequence[Mark]
    caption: str
    note: str


def contact_sheet(
    title: str, panels: Sequence[Panel], *, subtitle: str = "", warnings: Sequence[str] = ()
) -> Image.Image:
    """The sheet as an RGB image: title, subtitle, warnings on an amber band, then the panels row by row."""
    columns = _columns(len(panels))
    rows = max(1, -(-len(panels) // columns))
    width = 2 * _MARGIN + columns * CELL_WIDTH + (columns - 1) * _GAP
    heading = _Heading(title, subtitle, warnings, width - 2 * _MARGIN)
    card_height = CELL_HEIGHT + _CAPTION
    height = _MARGIN + heading.height + rows * (card_height + _GAP) - _GAP + _MARGIN
    sheet = Image.new("RGB", (width, height), _GROUND)
    canvas = ImageDraw.Draw(sheet)
    heading.draw(canvas)
    top = _MARGIN + heading.height
    if not panels:
        canvas.text((_MARGIN, top), "Nothing found.", font=font(24), fill=_SOFT_INK)
    for place, panel in enumerate(panels):
        row, column = divmod(place, columns)
        corner = (_MARGIN + column * (CELL_WIDTH + _GAP), top + row * (card_height + _GAP))
        _draw_panel(sheet, canvas, panel, corner)
    return sheet


def _columns(panels: int) -> int:
    """Two to five columns: one row up to four panels, then as even rows as can be had."""
    if panels <= 4:
        return max(2, panels)
    return min((5, 4, 3), key=lambda columns: (-panels % columns, -columns))


class _Heading:
    """The lines above the grid, broken to the width of the sheet before their height is known."""

    def __init__(self, title: str, subtitle: str, warnings: Sequence[str], width: int) -> None:
        self.width = width
        self.title = _broken(title, 38, width)
        self.subtitle = _broken(subtitle, 19, width) if subtitle else []
        self.warnings = [line for warning in warnings for line in _broken(warning, 20, width - 32)]
        self.height = len(self.title) * 48 + len(self.subtitle) * 28 + 18
        if self.warnings:
            self.height += len(self.warnings) * 28 + 20 + 18

    def draw(self, canvas: ImageDraw.ImageDraw) -> None:
        y = _MARGIN - 6
        for line in self.title:
            canvas.text((_MARGIN, y), line, font=font(38), fill=_INK)
            y += 48
        for line in self.subtitle:
            canvas.text((_MARGIN, y + 2), line, font=font(19), fill=_SOFT_INK)
            y += 28
        if self.warnings:
            y += 16
            bottom = y + len(self.warnings) * 28 + 20
            canvas.rounded_rectangle((_MARGIN, y, _MARGIN + self.width - 1, bottom), _CORNER, fill=_WARNING)
            for number, line in enumerate(self.warnings):
                canvas.text((_MARGIN + 16, y + 10 + number * 28), line, font=font(20), fill=_WARNING_INK)


def _draw_panel(sheet: Image.Image, canvas: ImageDraw.ImageDraw, panel: Panel, corner: tuple[int, int]) -> None:
    x, y = corner
    card = (x, y, x + CELL_WIDTH - 1, y + CELL_HEIGHT + _CAPTION - 1)
    canvas.rounded_rectangle(card, _CORNER, fill=_CARD, outline=_CARD_EDGE)
    well = (x + 8, y + 8, x + CELL_WIDTH - 9, y + CELL_HEIGHT - 1)
    canvas.rectangle(well, fill=_WELL)
    room = (well[2] - well[0] + 1, well[3] - well[1] + 1)
    if panel.picture is None:
        canvas.text((well[0] + 16, well[1] + 16), "the file cannot be read now", font=font(18), fill=_SOFT_INK)
    else:
        drawn = draw_boxes(_fitted(panel.picture, room), panel.marks)
        sheet.paste(drawn, (well[0] + (room[0] - drawn.width) // 2, well[1] + (room[1] - drawn.height) // 2))
    baseline = y + CELL_HEIGHT + _CAPTION // 2
    number = str(panel.rank)
    canvas.text((x + 14, baseline), number, font=font(26), fill=_INK, anchor="lm")
    left = x + 14 + int(canvas.textlength(number, font=font(26))) + 14
    note_width = int(canvas.textlength(panel.note, font=font(18)))
    canvas.text((x + CELL_WIDTH - 14, baseline), panel.note, font=font(18), fill=_SOFT_INK, anchor="rm")
    room_for_caption = x + CELL_WIDTH - 14 - note_width - 14 - left
    lines = _broken(panel.caption, 17, room_for_caption)
    if len(lines) > 2:
        lines = [lines[0], _elided(" ".join(lines[1:]), 17, room_for_caption)]
    for place, line in enumerate(lines):
        middle = baseline + round((place - (len(lines) - 1) / 2) * 21)
        canvas.text((left, middle), line, font=font(17), fill=_INK, anchor="lm")


def _fitted(picture: Picture, room: tuple[int, int]) -> Picture:
    """The picture scaled to fit the room, small ones enlarged at most four times; boxes still refer to the original."""
    height, width = picture.pixels.shape[:2]
    scale = min(room[0] / width, room[1] / height, 4.0)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = Image.fromarray(picture.pixels).resize(size, Image.Resampling.LANCZOS)
    return Picture(np.asarray(image), picture.width, picture.height)


def _broken(text: str, size: int, width: int) -> list[str]:
    """The text as lines no wider than ``width``, broken between words; a word that is too wide is elided."""
    length = font(size).getlength
    lines: list[str] = []
    for word in text.split():
        if lines and length(f"{lines[-1]} {word}") <= width:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(_elided(word, size, width))
    return lines


def _elided(text: str, size: int, width: int) -> str:
    """The text, shortened to ``width`` with an ellipsis: a path keeps its file name, a long name its two ends, and
    words their beginning.
    """
    length = font(size).getlength
    if length(text) <= width:
        return text
    if "/" not in text and " " in text:
        shortened = (text[:keep] + "…" for keep in range(len(text), -1, -1))
        return next((short for short in shortened if length(short) <= width), "…")
    for cut in (place for place, letter in enumerate(text) if letter == "/"):
        if length("…" + text[cut:]) <= width:
            return "…" + text[cut:]
    name = text.rpartition("/")[2]
    keep = len(name) - 1
    while keep > 2 and length(_ends(name, keep)) > width:
        keep -= 1
    return _ends(name, keep)


def _ends(name: str, keep: int) -> str:
    return name[: keep // 2] + "…" + name[len(name) - (keep - keep // 2) :]
