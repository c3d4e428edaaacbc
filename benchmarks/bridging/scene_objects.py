"""The objects of a file of emoji scenes: what ``reir.data.load_dataset`` leaves out, because no expression needs it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from reir.types import Box


@dataclass(frozen=True, slots=True)
class SceneObject:
    """One object: its noun by number (from 1) and name, the noun's group (``animal``), box (xyxy) and expressions."""

    noun: int
    name: str
    group: str
    colour: str
    box: Box
    expressions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScenePicture:
    """One picture with its place (``beach``, ``room``) and all its objects."""

    path: Path
    width: int
    height: int
    place: str
    objects: tuple[SceneObject, ...]


def read_scenes(dataset: Path) -> tuple[list[ScenePicture], list[str]]:
    """The pictures of a file that ``reir data synth`` wrote, and the groups that its nouns fall into."""
    content = json.loads(dataset.read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    groups = {category["id"]: category["supercategory"] for category in content["categories"]}
    objects: dict[int, list[SceneObject]] = {image["id"]: [] for image in content["images"]}
    for annotation in content["annotations"]:
        x, y, width, height = annotation["bbox"]
        objects[annotation["image_id"]].append(
            SceneObject(
                noun=annotation["category_id"],
                name=names[annotation["category_id"]],
                group=groups[annotation["category_id"]],
                colour=annotation["colour"],
                box=(x, y, x + width, y + height),
                expressions=tuple(annotation.get("expressions", ())),
            )
        )
    pictures = [
        ScenePicture(
            dataset.parent / "images" / image["file_name"],
            image["width"],
            image["height"],
            image["scene"]["place"],
            tuple(objects[image["id"]]),
        )
        for image in content["images"]
    ]
    return pictures, sorted(set(groups.values()))
