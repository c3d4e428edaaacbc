"""Small galleries of generated pictures, and what an index knows of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from reir.store import Index

COLOURS = ("red", "green", "blue", "yellow", "white")


def paint(path: Path, seed: int, *, width: int = 48, height: int = 32) -> Path:
    """A picture of four coloured quarters that no other seed gives."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (2, 2, 3), dtype=np.uint8).repeat(height // 2, 0).repeat(width // 2, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def fill(root: Path, count: int, *, folder: str = "", first: int = 0) -> list[Path]:
    """``count`` different PNG pictures in a folder of the root."""
    return [paint(root / folder / f"{number:04d}.png", number) for number in range(first, first + count)]


def contents(index: Index) -> dict[str, tuple[object, ...]]:
    """Path -> boxes and vectors of every indexed picture, rounded to what float16 keeps; causes of the failed ones."""
    with index.snapshot() as snapshot:
        blocks = {int(row.source_image_id): row for row in snapshot.all_images("indexed")}
        by_source: dict[int, list[tuple[float, ...]]] = {source: [] for source in blocks}
        for block in snapshot.blocks():
            for source, box, vector in zip(block.image_ids, block.boxes, block.vectors, strict=True):
                by_source[int(source)].append((*np.round(box, 2).tolist(), *np.round(vector, 3).tolist()))
        found: dict[str, tuple[object, ...]] = {
            row.path: (row.width, row.height, *sorted(by_source[row.source_image_id]))
            for row in snapshot.all_images("indexed")
        }
        found.update({row.path: ("failed", row.cause) for row in snapshot.all_images("failed")})
        return found
