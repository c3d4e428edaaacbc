"""The contact sheet of an audit: pictures with the boxes, and beside them the expressions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from reir.construction.audit import Sampled, letter
from reir.construction.pictures import AnnotatedSet
from reir.errors import ImageUnreadableError
from reir.imaging import Mark, decode_picture, draw_boxes
from reir.imaging.draw import font
from reir.types import Picture

_WIDTH, _HEIGHT, _WORDS, _GAP, _HEAD = 420, 320, 560, 20, 90
_LINE, _LETTERS = 22, 17
_GROUND, _CARD, _INK, _SOFT, _ALARM = (246, 246, 243), (255, 255, 255), (28, 30, 34), (112, 115, 120), (170, 60, 0)


def draw_sheet(data: AnnotatedSet, sampled: Sequence[Sampled], title: str) -> Image.Image:
    """The sheet as an RGB image: for each instance the picture with its box, and beside it the expressions."""
    rows = [(one, _lines(one)) for one in sampled]
    heights = [max(_HEIGHT, (len(lines) + 2) * _LINE + 24) for _, lines in rows]
    columns = 1 if len(rows) < 4 else 2
    per_column = -(-len(rows) // columns)
    card_width = _WIDTH + _WORDS
    tallest = max(
        sum(heights[start : start + per_column]) + _GAP * per_column for start in range(0, len(rows), per_column)
    )
    sheet = Image.new("RGB", (columns * (card_width + _GAP) + _GAP, _HEAD + tallest + _GAP), _GROUND)
    canvas = ImageDraw.Draw(sheet)
    canvas.text((_GAP, 18), title, font=font(28), fill=_INK)
    canvas.text((_GAP, 56), f"{len(rows)} instances of {data.path.name}", font=font(_LETTERS), fill=_SOFT)
    for number, ((one, lines), height) in enumerate(zip(rows, heights, strict=True)):
        column, row = divmod(number, per_column)
        top = _HEAD + sum(heights[column * per_column : number]) + _GAP * row
        _draw_card(sheet, data.images_root, one, lines, (_GAP + column * (card_width + _GAP), top), height)
    return sheet


def _lines(one: Sampled) -> list[tuple[str, bool]]:
    """The expressions, each with a letter, broken to the width; what is doubtful about one follows it, marked."""
    lines: list[tuple[str, bool]] = []
    for number, text in enumerate(one.instance.texts):
        lines += [(line, False) for line in _broken(f"{letter(number)}. {text}", _WORDS - 40)]
        if text in one.flags:
            lines += [(line, True) for line in _broken(f"    flagged: {one.flags[text]}", _WORDS - 40)]
    return lines


def _broken(text: str, width: int) -> list[str]:
    length = font(_LETTERS).getlength
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if not lines[-1].strip() or length(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(f"   {word}")
    return lines


def _draw_card(
    sheet: Image.Image,
    root: Path,
    one: Sampled,
    lines: Sequence[tuple[str, bool]],
    corner: tuple[int, int],
    height: int,
) -> None:
    canvas = ImageDraw.Draw(sheet)
    x, y = corner
    canvas.rectangle((x, y, x + _WIDTH + _WORDS, y + height), fill=_CARD)
    try:
        picture = decode_picture(root / one.picture.file_name, max_side=2 * _WIDTH).picture
    except ImageUnreadableError as error:
        canvas.text((x + 16, y + 16), f"cannot be shown: {error.cause}"[:50], font=font(_LETTERS), fill=_SOFT)
    else:
        drawn = draw_boxes(_fitted(picture), [Mark(one.instance.box)])
        sheet.paste(drawn, (x + 8 + (_WIDTH - 16 - drawn.width) // 2, y + 8 + (_HEIGHT - 16 - drawn.height) // 2))
    left, top = x + _WIDTH + 12, y + 12
    canvas.text((left, top), f"{one.place}. {one.instance.category}", font=font(20), fill=_INK)
    about = f"annotation {one.instance.id} · {one.picture.file_name}"
    canvas.text((left, top + 26), about, font=font(14), fill=_SOFT)
    for number, (line, alarm) in enumerate(lines):
        colour = _ALARM if alarm else _INK
        canvas.text((left, top + 50 + number * _LINE), line, font=font(_LETTERS), fill=colour)


def _fitted(picture: Picture) -> Picture:
    height, width = picture.pixels.shape[:2]
    scale = min((_WIDTH - 16) / width, (_HEIGHT - 16) / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = Image.fromarray(picture.pixels).resize(size, Image.Resampling.LANCZOS)
    return Picture(np.asarray(image), picture.width, picture.height)
