"""The emoji world as a data set on disk: pictures and one COCO-style JSON file with scene graphs and expressions."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from reir.data.expressions import describe, relation_triples
from reir.data.layout import make_scene, resized
from reir.data.photographs import Assignment, Photograph, Progress, take_photographs
from reir.data.scenes.glyphs import find_font
from reir.data.scenes.nouns import load_nouns
from reir.data.scenes.scene import Scene
from reir.data.splits import GENERATOR_VERSION, SPLITS, TEST, TRAIN
from reir.data.uniqueness import Selection, Unique, select
from reir.geometry import xyxy_to_xywh

QUOTA: Final = 360
"""Unique expressions of a kind in an evaluation split of 1,000 scenes or fewer; in proportion beyond."""
AMBIGUOUS_QUOTA: Final = 60
TRAINING_EXPRESSIONS: Final = 8
"""Expressions a scene in the training split, where they need to fit one object of their own picture only."""

DEMO_IMAGES: Final = 300
DEMO_MAX_SIDE: Final = 640
DEMO_QUOTA: Final = 120
DEMO_QUALITY: Final = 80


@dataclass(frozen=True, slots=True)
class SynthReport:
    """What was written: ``dropped`` counts the candidate expressions by the reason why they were not kept."""

    path: Path
    split: str
    images: int
    instances: int
    expressions: Mapping[str, int]
    ambiguous: int
    candidates: int
    dropped: Mapping[str, int]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "path": str(self.path),
            "split": self.split,
            "images": self.images,
            "instances": self.instances,
            "expressions": dict(self.expressions),
            "ambiguous": self.ambiguous,
            "candidates": self.candidates,
            "dropped": dict(self.dropped),
            "seconds": round(self.seconds, 2),
        }


def build_split(
    split: str, images: int, *, seed_offset: int = 0, seed: int = 0, quota: int = QUOTA
) -> tuple[list[Scene], Selection]:
    """The scenes of a split and its expressions, in memory; see ``uniqueness.select`` for what is kept.

    All but training keep an expression only if it fits exactly one object of all the scenes; training keeps every
    expression that fits exactly one object of its own scene. Raises ``ValueError`` for an unknown split.
    """
    if split not in SPLITS:
        raise ValueError(f"a split is one of {', '.join(SPLITS)}, got {split!r}")
    chosen = SPLITS[split]
    scenes = [make_scene(number, chosen.style) for number in chosen.seeds(images, seed_offset)]
    if split == TRAIN.name:
        return scenes, _training_expressions(scenes, seed)
    share = max(1.0, images / 1000)
    selection = select(scenes, seed=seed, quota=round(quota * share), ambiguous_quota=round(AMBIGUOUS_QUOTA * share))
    return scenes, selection


def _training_expressions(scenes: Sequence[Scene], seed: int) -> Selection:
    kept = [
        Unique(expression, index, target)
        for index, scene in enumerate(scenes)
        for expression, target in describe(scene, Random(f"expressions {seed} {scene.seed}"), TRAINING_EXPRESSIONS)
    ]
    return Selection(tuple(kept), (), len(kept), {})


def synthesise(
    out: Path,
    split: str,
    images: int,
    *,
    workers: int | None = None,
    max_side: int | None = None,
    size: tuple[int, int] | None = None,
    seed_offset: int = 0,
    progress: Progress | None = None,
) -> SynthReport:
    """Write ``images`` scenes of a split to ``out/images/*.jpg`` and ``out/SPLIT.json``, and say what was kept.

    ``max_side`` bounds the longer side of every picture in pixels; ``size`` (w, h) renders the scenes of that aspect
    at that size, those of its transpose turned, and the others at their own. ``seed_offset`` skips the split's first
    scenes. The scenes, the words and the truth depend on neither.
    """
    started = time.perf_counter()
    scenes, selection = build_split(split, images, seed_offset=seed_offset)
    sizes = [resized(scene, max_side=max_side, size=size) for scene in scenes]
    qualities = [scene.camera.quality for scene in scenes]
    path = _write(out, split, split, scenes, sizes, qualities, selection, workers, progress)
    return _report(path, split, scenes, selection, started)


def build_demo(out: Path, *, workers: int | None = None, progress: Progress | None = None) -> SynthReport:
    """Write the demo gallery: the first scenes of the test split at small sizes, with ``out/demo.json``.

    Its expressions are those that fit exactly one object of the demo gallery.
    """
    started = time.perf_counter()
    scenes = [make_scene(number) for number in TEST.seeds(DEMO_IMAGES)]
    selection = select(scenes, seed=0, quota=DEMO_QUOTA, ambiguous_quota=AMBIGUOUS_QUOTA // 3)
    sizes = [resized(scene, max_side=DEMO_MAX_SIDE) for scene in scenes]
    qualities = [min(scene.camera.quality, DEMO_QUALITY) for scene in scenes]
    path = _write(out, "demo", TEST.name, scenes, sizes, qualities, selection, workers, progress)
    return _report(path, TEST.name, scenes, selection, started)


def _report(path: Path, split: str, scenes: Sequence[Scene], selection: Selection, started: float) -> SynthReport:
    return SynthReport(
        path,
        split,
        len(scenes),
        sum(len(scene.objects) for scene in scenes),
        dict(sorted(Counter(item.expression.kind for item in selection.unique).items())),
        len(selection.ambiguous),
        selection.candidates,
        selection.dropped,
        time.perf_counter() - started,
    )


def _write(
    out: Path,
    name: str,
    split: str,
    scenes: Sequence[Scene],
    sizes: Sequence[tuple[int, int]],
    qualities: Sequence[int],
    selection: Selection,
    workers: int | None,
    progress: Progress | None,
) -> Path:
    folder = out / "images"
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{index:06d}.jpg" for index in range(len(scenes))]
    assignments = [
        Assignment(scene, *pixels, folder / file_name, quality)
        for scene, pixels, file_name, quality in zip(scenes, sizes, names, qualities, strict=True)
    ]
    photographs = take_photographs(assignments, workers=workers or _usable_cores(), progress=progress)
    content = _content(name, split, scenes, sizes, names, selection, photographs)
    path = out / f"{name}.json"
    partial = path.with_suffix(".json.partial")
    partial.write_text(json.dumps(content, separators=(",", ":"), ensure_ascii=False), encoding="utf-8")
    partial.replace(path)
    return path


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _content(
    name: str,
    split: str,
    scenes: Sequence[Scene],
    sizes: Sequence[tuple[int, int]],
    names: Sequence[str],
    selection: Selection,
    photographs: Sequence[Photograph],
) -> dict[str, Any]:
    """The JSON file: image ids are positions in the gallery, annotation ids count from 1 over all objects."""
    first_ids = [1]
    for scene in scenes:
        first_ids.append(first_ids[-1] + len(scene.objects))
    said: dict[int, list[Unique]] = {}
    for item in selection.unique:
        said.setdefault(first_ids[item.scene] + item.target, []).append(item)
    categories = {noun.name: number for number, noun in enumerate(load_nouns(), start=1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for index, scene in enumerate(scenes):
        images.append(_image(index, scene, sizes[index], names[index], first_ids[index]))
        scale = sizes[index][0] / scene.size_units[0], sizes[index][1] / scene.size_units[1]
        for target, thing in enumerate(scene.objects):
            number = first_ids[index] + target
            box = [value * scale[axis % 2] for axis, value in enumerate(thing.box)]
            annotations.append(
                {
                    "id": number,
                    "image_id": index,
                    "category_id": categories[thing.noun],
                    "bbox": [round(value, 2) for value in xyxy_to_xywh(box).tolist()],
                    "area": photographs[index].areas[target],
                    "segmentation": photographs[index].masks[target],
                    "iscrowd": 0,
                    "colour": thing.colour,
                    "size": thing.size,
                    "visible": round(thing.visible, 3),
                    "expressions": [unique.expression.text for unique in said.get(number, ())],
                    "expression_kinds": [unique.expression.kind for unique in said.get(number, ())],
                }
            )
    ambiguous = [
        {
            "expression": item.expression.text,
            "annotation_ids": [first_ids[index] + target for index, target in item.targets],
            "kind": item.expression.kind,
        }
        for item in selection.ambiguous
    ]
    return {
        "info": _info(name, split, scenes, selection),
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": categories[noun.name], "name": noun.name, "supercategory": noun.group} for noun in load_nouns()
        ],
        "ambiguous": ambiguous,
    }


def _image(index: int, scene: Scene, size: tuple[int, int], name: str, first_id: int) -> dict[str, Any]:
    return {
        "id": index,
        "file_name": name,
        "width": size[0],
        "height": size[1],
        "scene": {
            "seed": scene.seed,
            "place": scene.place,
            "aspect": round(scene.aspect, 4),
            "objects": [first_id + target for target in range(len(scene.objects))],
            "relations": [
                [first_id + subject, relation, first_id + anchor]
                for subject, relation, anchor in relation_triples(scene)
            ],
        },
    }


def _info(name: str, split: str, scenes: Sequence[Scene], selection: Selection) -> dict[str, Any]:
    return {
        "description": f"emoji scenes, {name}",
        "generator_version": GENERATOR_VERSION,
        "split": split,
        "first_seed": scenes[0].seed if scenes else None,
        "font": "Noto Color Emoji (SIL Open Font License 1.1)",
        "font_sha256": hashlib.sha256(find_font().read_bytes()).hexdigest(),
        "unique_within": "picture" if split == TRAIN.name else "gallery",
        "candidates": selection.candidates,
        "dropped": dict(selection.dropped),
    }
