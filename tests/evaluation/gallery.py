"""A small painted gallery with expressions, its index made by the real store, every figure known by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from reir.data.coco import load_dataset
from reir.data.dataset import Dataset
from reir.store import FileFacts, Index
from reir.types import Picture
from tests.grid_colour_model import GridColourModel

SIDE = 64

# Each picture is two by two cells of one colour: top left, top right, bottom left, bottom right.
PAINTED = {
    "one.png": [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0)],
    "sub/two.png": [(240, 30, 0), (0, 200, 100), (30, 30, 30), (30, 30, 30)],
    "three.png": [(0, 0, 0), (0, 0, 0), (0, 0, 0), (10, 0, 200)],
}

TOP_LEFT, BOTTOM_LEFT, BOTTOM_RIGHT = [0, 0, 32, 32], [0, 32, 32, 32], [32, 32, 32, 32]


def annotations() -> list[dict]:
    return [
        # Found first: the reddest cell of all.
        {"id": 1, "image_id": 1, "bbox": TOP_LEFT, "expressions": ["red thing"], "expression_kinds": ["one"]},
        # One other green is greener (picture one), so it stands second; IoU 0.75 fails above 0.7 only.
        {"id": 2, "image_id": 2, "bbox": [32, 0, 32, 24], "expressions": ["green"], "expression_kinds": ["two"]},
        # The bluest cell of picture three is right, and picture one's is bluer.
        {"id": 3, "image_id": 3, "bbox": BOTTOM_RIGHT, "expressions": ["the blue"], "expression_kinds": ["two"]},
        # The box is where the model sees blue, and the words say red: wrong in the picture.
        {"id": 4, "image_id": 1, "bbox": BOTTOM_LEFT, "expressions": ["red"], "expression_kinds": ["one"]},
    ]


AMBIGUOUS = [{"expression": "green", "annotation_ids": [2, 3], "kind": "noun"}]


def pixels(colours: list[tuple[int, int, int]], side: int = SIDE) -> np.ndarray:
    half = side // 2
    return np.array(colours, np.uint8).reshape(2, 2, 3).repeat(half, axis=0).repeat(half, axis=1)


def write_dataset(folder: Path, **changes: object) -> Dataset:
    """The data set, its JSON written to ``folder``; the pictures are wherever the test puts them."""
    content = {
        "images": [
            {"id": i, "file_name": name, "width": SIDE, "height": SIDE} for i, name in enumerate(PAINTED, start=1)
        ],
        "annotations": annotations(),
        "ambiguous": AMBIGUOUS,
        **changes,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "painted.json").write_text(json.dumps(content))
    return load_dataset(folder / "painted.json")


def make_index(root: Path, db: Path, model: GridColourModel, prefix: str = "", extra: dict | None = None) -> Index:
    """An index of the painted pictures (and ``extra`` ones) with what ``model`` sees in them."""
    index = Index.create(root, db=db, model=model.identity)
    with index.writer() as writer:
        for i, (name, colours) in enumerate({**PAINTED, **(extra or {})}.items()):
            picture = Picture(pixels(colours), SIDE, SIDE)
            facts = FileFacts(prefix + name, size=1, mtime_ns=i, content_hash=str(i), width=SIDE, height=SIDE)
            writer.add(facts, model.extract([picture])[0])
        writer.commit()
    return index
