"""Real indexes of generated pictures, small enough to know every answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
from PIL import Image

from reir.imaging import decode_picture
from reir.store import FileFacts, Index
from tests.grid_colour_model import GridColourModel

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "yellow": (255, 255, 0), "dark": (20, 20, 20)}

Quadrants = tuple[str, str, str, str]
"""Colours of a picture's quadrants: top left, top right, bottom left, bottom right."""


def paint(path: Path, quadrants: Quadrants, size: tuple[int, int] = (80, 60)) -> Path:
    """A lossless picture of four coloured quadrants."""
    width, height = size
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    for place, colour in enumerate(quadrants):
        row, column = divmod(place, 2)
        rows = slice(row * height // 2, (row + 1) * height // 2)
        columns = slice(column * width // 2, (column + 1) * width // 2)
        pixels[rows, columns] = COLOURS[colour]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def make_index(
    root: Path,
    pictures: Mapping[str, Quadrants],
    *,
    model: GridColourModel | None = None,
    taken_at: Mapping[str, datetime] | None = None,
    external_ids: Mapping[str, str] | None = None,
    size: tuple[int, int] = (80, 60),
) -> Index:
    """An index of the painted pictures, written through the store: image ids count from 1 in the order given.

    No decoding process is started, which would take most of a test's time.
    """
    model = model or GridColourModel()
    index = Index.create(root, db=root / ".reir", model=model.identity, settings={"max_instances": 30})
    with index.writer() as writer:
        for path, quadrants in pictures.items():
            file = paint(root / path, quadrants, size)
            decoded = decode_picture(file)
            facts = FileFacts(
                path,
                file.stat().st_size,
                file.stat().st_mtime_ns,
                content_hash=f"hash of {path}",
                width=decoded.picture.width,
                height=decoded.picture.height,
                taken_at=(taken_at or {}).get(path),
                external_id=(external_ids or {}).get(path),
            )
            writer.add(facts, model.extract([decoded.picture])[0])
        writer.commit()
    return index
