"""Scenes as arrays for training towers that know red ellipses: pictures, where objects lie, texts, ellipses to draw."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from reir.geometry import iou_matrix
from reir.geometry.masks import decode_rle
from reir.models.towers import ClipTower, Preprocess
from reir.types import FloatArray, IntArray

CELLS = 48
"""Cells a side of the map that tells which object lies where: a multiple of the towers' grids."""
NOTHING = 255
TEMPLATES = ("{}", "a {}", "the {}", "a photo of a {}.", "a picture of the {}.", "A photo of a {}")


@dataclass(frozen=True, slots=True)
class PromptedObject:
    """One object: noun and caption by number, box in picture coordinates (-1 to 1), rows of its expressions."""

    noun: int
    caption: int
    box: FloatArray
    expressions: tuple[int, ...]


@dataclass(frozen=True)
class PromptedScenes:
    """Pictures (N, S, S, 3), maps (N, CELLS, CELLS) of object numbers, one crop of each picture, and what they show.

    ``captions`` are "COLOUR NOUN" for all pairs, then "PLACE background"; ``places`` (N,) and ``cropped`` (N,) are
    captions' and objects' numbers (``cropped`` -1: a crop of background).
    """

    pictures: npt.NDArray[np.uint8]
    maps: npt.NDArray[np.uint8]
    crops: npt.NDArray[np.uint8]
    objects: list[list[PromptedObject]]
    places: IntArray
    cropped: IntArray
    captions: list[str]
    nouns: list[str]
    expressions: list[str]

    def part(self, rows: slice) -> PromptedScenes:
        """Some of the pictures, with all the texts."""
        return PromptedScenes(
            self.pictures[rows],
            self.maps[rows],
            self.crops[rows],
            self.objects[rows],
            self.places[rows],
            self.cropped[rows],
            self.captions,
            self.nouns,
            self.expressions,
        )


def read_prompted(dataset: Path, cache: Path, side: int) -> PromptedScenes:
    """The scenes of a file of ``reir data synth`` at ``side`` pixels, squashed; pixels are kept in ``cache``."""
    content = json.loads(dataset.read_text())
    nouns = [category["name"] for category in sorted(content["categories"], key=lambda category: category["id"])]
    colours = sorted({annotation["colour"] for annotation in content["annotations"]})
    places = sorted({image["scene"]["place"] for image in content["images"]})
    captions = [f"{colour} {noun}" for noun in nouns for colour in colours]
    ground = len(captions)
    captions += [f"{place} background" for place in places]
    of_image: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in content["images"]}
    for annotation in content["annotations"]:
        of_image[annotation["image_id"]].append(annotation)
    expressions: list[str] = []
    objects: list[list[PromptedObject]] = []
    for image in content["images"]:
        size = np.array([image["width"], image["height"]] * 2, dtype=np.float32)
        row = []
        for annotation in of_image[image["id"]]:
            x, y, width, height = annotation["bbox"]
            texts = annotation.get("expressions", [])
            noun = int(annotation["category_id"]) - 1
            box = np.array([x, y, x + width, y + height], dtype=np.float32) / size * 2 - 1
            caption = noun * len(colours) + colours.index(annotation["colour"])
            first = len(expressions)
            expressions += texts
            row.append(PromptedObject(noun, caption, box, tuple(range(first, len(expressions)))))
        objects.append(row)
    folder = cache / f"{dataset.parent.name}-{side}"
    if not (folder / "cropped.npy").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        _render(dataset, content["images"], of_image, side, folder)
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("pictures", "maps", "crops", "cropped")}
    return PromptedScenes(
        arrays["pictures"],
        arrays["maps"],
        arrays["crops"],
        objects,
        np.array([ground + places.index(image["scene"]["place"]) for image in content["images"]]),
        arrays["cropped"],
        captions,
        nouns,
        expressions,
    )


def embed_texts(tower: ClipTower, texts: list[str], path: Path) -> FloatArray:
    """The tower's embeddings (Q, E) of texts, kept in a file."""
    if path.is_file():
        kept: FloatArray = np.load(path)
        assert len(kept) == len(texts), f"{path} was made of other texts: remove it"
        return kept
    order = np.argsort([len(text) for text in texts])  # equal lengths together: short texts are not padded
    rows = np.empty((len(texts), tower.dimension), dtype=np.float32)
    for start in range(0, len(order), 256):
        chunk = order[start : start + 256]
        rows[chunk] = tower.encode_texts([texts[i] for i in chunk])
    np.save(path, rows)
    return rows


def fitting_ellipse(box: FloatArray, rng: np.random.Generator, *, least: float = 0.7) -> FloatArray:
    """An ellipse (5,) whose extent overlaps the box (4,) with an IoU of ``least`` or more."""
    for _ in range(6):
        sides = box[2:] - box[:2]
        centre = (box[:2] + box[2:]) / 2 + rng.normal(0, 0.04, 2) * sides
        half = sides / 2 * np.exp(rng.normal(0, 0.06, 2))
        angle = rng.normal(0, 0.3) if rng.random() < 0.4 else 0.0
        ellipse = np.array([*centre, *half, angle], dtype=np.float32)
        if iou_matrix(extent(ellipse)[None], box[None])[0, 0] >= least:
            return ellipse
    return np.array([*((box[:2] + box[2:]) / 2), *((box[2:] - box[:2]) / 2), 0.0], dtype=np.float32)


def misplaced_ellipse(box: FloatArray, boxes: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, bool]:
    """An ellipse that fits no object: on a part of ``box``, too large, beside it, or anywhere; and if on background.

    These are the negatives that section 5 of the paper asks for.
    """
    ellipse = np.array([0, 0, 1, 1, 0], dtype=np.float32)
    for _ in range(20):
        sides, middle = box[2:] - box[:2], (box[:2] + box[2:]) / 2
        kind = rng.integers(5)
        if kind == 0:
            share = rng.uniform(0.3, 0.65)
            centre, half = middle + rng.uniform(-0.5, 0.5, 2) * (1 - share) * sides, sides / 2 * share
        elif kind == 1:
            scale = rng.uniform(1.5, 3.0)
            centre, half = middle + rng.uniform(-0.4, 0.4, 2) * (scale - 1) * sides, sides / 2 * scale
        elif kind == 2:
            turn = rng.uniform(0, 2 * np.pi)
            centre = middle + np.array([np.cos(turn), np.sin(turn)]) * rng.uniform(0.4, 0.9) * sides
            half = sides / 2 * rng.uniform(0.7, 1.4)
        else:
            centre, half = rng.uniform(-0.95, 0.95, 2), np.exp(rng.uniform(np.log(0.08), np.log(0.8), 2))
        ellipse = np.array([*centre, *half, rng.uniform(-0.5, 0.5) if kind > 2 else 0.0], dtype=np.float32)
        overlap = iou_matrix(extent(ellipse)[None], boxes)
        if overlap.max() < 0.5:
            return ellipse, bool(overlap.max() < 0.02)
    return ellipse, False


def extent(ellipse: FloatArray) -> FloatArray:
    """The box (4,) around an ellipse (5,)."""
    cx, cy, a, b, angle = ellipse
    wide, high = np.hypot(a * np.cos(angle), b * np.sin(angle)), np.hypot(a * np.sin(angle), b * np.cos(angle))
    return np.array([cx - wide, cy - high, cx + wide, cy + high], dtype=np.float32)


def _render(
    dataset: Path,
    images: list[dict[str, object]],
    of_image: dict[int, list[dict[str, Any]]],
    side: int,
    folder: Path,
) -> None:
    count = len(images)
    pictures = np.empty((count, side, side, 3), dtype=np.uint8)
    crops = np.empty_like(pictures)
    maps = np.full((count, CELLS, CELLS), NOTHING, dtype=np.uint8)
    cropped = np.full(count, -1, dtype=np.int64)
    squash = Preprocess((side, side))
    for i, image in enumerate(images):
        rng = np.random.default_rng([3, i])
        with Image.open(dataset.parent / "images" / str(image["file_name"])) as file:
            pixels = np.asarray(file.convert("RGB"))
        height, width = pixels.shape[:2]
        pictures[i] = squash.resize(pixels)
        things = of_image[image["id"]]
        rows = ((np.arange(CELLS) + 0.5) * height / CELLS).astype(int)
        columns = ((np.arange(CELLS) + 0.5) * width / CELLS).astype(int)
        for k, thing in enumerate(things):
            maps[i][decode_rle(thing["segmentation"])[np.ix_(rows, columns)]] = k
        if things and i % 6:
            cropped[i] = rng.integers(len(things))
            x, y, w, h = things[cropped[i]]["bbox"]
            room = rng.uniform(-0.08, 0.25, 4) * (w, h, w, h)
            box = (x - room[0], y - room[1], x + w + room[2], y + h + room[3])
        else:
            box = _empty_box(
                np.array([thing["bbox"] for thing in things], dtype=np.float32).reshape(-1, 4), width, height, rng
            )
        left, top = max(int(box[0]), 0), max(int(box[1]), 0)
        crops[i] = squash.resize(pixels[top : max(round(box[3]), top + 4), left : max(round(box[2]), left + 4)])
    for name, array in (("pictures", pictures), ("maps", maps), ("crops", crops), ("cropped", cropped)):
        np.save(folder / f"{name}.npy", array)


def _empty_box(
    things: FloatArray, width: int, height: int, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """A box that hardly touches any of the things (N, 4: x, y, width, height), the last of twelve tries at worst."""
    truth = np.concatenate([things[:, :2], things[:, :2] + things[:, 2:]], axis=1)
    box = (0.0, 0.0, width / 8, height / 8)
    for _ in range(12):
        w, h = rng.uniform(0.1, 0.3, 2) * (width, height)
        x, y = rng.uniform(0, 1, 2) * (width - w, height - h)
        box = (float(x), float(y), float(x + w), float(y + h))
        if not len(truth) or iou_matrix(np.array([box], dtype=np.float32), truth).max() < 0.02:
            break
    return box
