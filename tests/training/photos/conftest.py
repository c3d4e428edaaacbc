"""A small COCO of two pictures, painted so that every object has a colour of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reir.text import WordTokenizer

RED, GREEN, BLUE, YELLOW = (220, 20, 20), (20, 200, 20), (20, 20, 220), (220, 220, 20)
SIZES = {"wide.png": (160, 120), "tall.png": (96, 144), "second.png": (160, 100), "third.png": (150, 100)}
OBJECTS: dict[str, list[tuple[tuple[int, int, int, int], tuple[int, int, int], int, list[str]]]] = {
    "wide.png": [
        ((10, 20, 30, 40), RED, 1, ["red box on the left", "red thing"]),
        ((110, 30, 40, 50), GREEN, 2, ["green thing"]),
        ((60, 80, 30, 30), BLUE, 2, []),
    ],
    "tall.png": [((20, 20, 50, 50), RED, 1, ["red thing"]), ((30, 90, 40, 40), YELLOW, 3, ["yellow thing"])],
    "second.png": [((100, 10, 40, 40), BLUE, 2, ["blue thing"])],
    "third.png": [((50, 20, 60, 60), YELLOW, 3, ["yellow thing beside nothing"])],
}


@pytest.fixture
def tokenizer() -> WordTokenizer:
    words = "red green blue yellow thing box on the left right cat dog cup tree bus"
    return WordTokenizer.from_words(words.split(" "))


@pytest.fixture
def content() -> dict[str, Any]:
    """The annotation file, to be changed by a test and written by ``write``."""
    annotations = [
        {
            "id": 100 * i + j,
            "image_id": i,
            "bbox": list(box),
            "category_id": category,
            "area": box[2] * box[3],
            "iscrowd": 0,
            **({"expressions": texts} if texts else {}),
        }
        for i, name in enumerate(SIZES)
        for j, (box, _, category, texts) in enumerate(OBJECTS[name])
    ]
    names = ["cat", "dog", "cup", "tree", "bus"]
    return {
        "images": [
            {"id": i, "file_name": name, "width": w, "height": h} for i, (name, (w, h)) in enumerate(SIZES.items())
        ],
        "annotations": annotations,
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(names)],
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the pictures in ``images``."""
    (tmp_path / "images").mkdir()
    for name, (width, height) in SIZES.items():
        pixels = np.full((height, width, 3), 128, dtype=np.uint8)
        for (x, y, w, h), colour, _, _ in OBJECTS[name]:
            pixels[y : y + h, x : x + w] = colour
        Image.fromarray(pixels).save(tmp_path / "images" / name)
    return tmp_path


def write(folder: Path, content: dict[str, Any], name: str = "set.json") -> str:
    """The path of the file in which ``content`` now stands."""
    (folder / name).write_text(json.dumps(content))
    return str(folder / name)
