"""Scenes to picture files, with the masks of their objects: the part of data synthesis that runs in many processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from reir.data.scenes.render import render, save_jpeg
from reir.data.scenes.scene import Scene
from reir.geometry.masks import encode_rle

Progress = Callable[[int, int], None]
"""Called with the number done and the number of all."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A scene to be photographed at a size in pixels, into a JPEG file."""

    scene: Scene
    width: int
    height: int
    path: Path
    quality: int


@dataclass(frozen=True, slots=True)
class Photograph:
    """What a picture file shows: for each object its visible pixels as compressed COCO RLE, and their number."""

    masks: tuple[dict[str, Any], ...]
    areas: tuple[int, ...]


def take_photographs(
    assignments: Sequence[Assignment], *, workers: int, progress: Progress | None = None
) -> list[Photograph]:
    """Write every picture; returns what each shows, in order. One worker means this process."""
    taken: list[Photograph] = []
    if workers <= 1:
        for assignment in assignments:
            taken.append(take_photograph(assignment))
            if progress is not None:
                progress(len(taken), len(assignments))
        return taken
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for photograph in pool.map(take_photograph, assignments, chunksize=4):
            taken.append(photograph)
            if progress is not None:
                progress(len(taken), len(assignments))
    return taken


def take_photograph(assignment: Assignment) -> Photograph:
    """Render one scene, write its JPEG file, and encode its masks."""
    rendered = render(assignment.scene, assignment.width, assignment.height)
    save_jpeg(rendered, assignment.path, assignment.quality)
    masks, areas = [], []
    for index in range(len(assignment.scene.objects)):
        mask = rendered.mask(index)
        masks.append(encode_rle(mask))
        areas.append(int(mask.sum()))
    return Photograph(tuple(masks), tuple(areas))
