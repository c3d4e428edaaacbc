"""Annotated pictures for the tests: painted rectangles with COCO annotations and captions."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image, ImageDraw

CATEGORIES = ("cup", "dog", "lamp")
COLOURS = ((200, 40, 40), (40, 160, 60), (40, 70, 200), (220, 200, 60))


def paint_gallery(folder: Path, pictures: int = 3, instances: int = 3) -> Path:
    """``instances.json`` and ``captions.json`` with ``images`` beside; each picture has ``instances`` good objects,
    then a tiny one and a crowd.
    """
    (folder / "images").mkdir(parents=True)
    content = {
        "images": [],
        "annotations": [],
        "categories": [{"id": n, "name": name} for n, name in enumerate(CATEGORIES, start=1)],
    }
    captions: dict[str, list[dict[str, object]]] = {"annotations": []}
    number = 0
    for picture in range(1, pictures + 1):
        image = Image.new("RGB", (240, 160), (230, 230, 225))
        canvas = ImageDraw.Draw(image)
        name = f"{picture:04d}.jpg"
        content["images"].append({"id": picture, "file_name": name, "width": 240, "height": 160})
        boxes = [(10 + 70 * i, 20 + 15 * ((i + picture) % 3), 50, 60, 0) for i in range(instances)]
        boxes += [(2, 2, 6, 6, 0), (0, 120, 240, 40, 1)]
        for i, (x, y, width, height, crowd) in enumerate(boxes):
            number += 1
            canvas.rectangle((x, y, x + width, y + height), fill=COLOURS[(i + picture) % 4])
            content["annotations"].append(
                {
                    "id": 100 + number,
                    "image_id": picture,
                    "category_id": 1 + (i + picture) % 3,
                    "bbox": [x, y, width, height],
                    "area": width * height,
                    "iscrowd": crowd,
                }
            )
        image.save(folder / "images" / name)
        captions["annotations"].append({"id": picture, "image_id": picture, "caption": f"Coloured blocks, {picture}."})
    (folder / "instances.json").write_text(json.dumps(content))
    (folder / "captions.json").write_text(json.dumps(captions))
    return folder / "instances.json"
