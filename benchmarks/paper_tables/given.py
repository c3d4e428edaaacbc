"""A detector with a CLIP for its crops, trained by ``benchmarks.bridging``, on the same gallery."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.paper_tables.gallery import OFFSET, Answers, place_all
from reir.data.layout import make_scene
from reir.data.scenes import render
from reir.data.splits import TEST
from reir.models import load_model
from reir.training.scenes.validation import ValidationSet
from reir.types import Instances, Picture

SIDE: Final = 384
"""Longer side of a picture: what its detector was trained on, and more pixels than the other rows see."""
TOGETHER: Final = 16


def ask_given(folder: Path, gallery: ValidationSet) -> Answers:
    """Answers of the ``rcnn-clip`` model in ``folder``."""
    model = load_model(f"rcnn-clip:{folder}", device="cpu")
    found: dict[int, Instances] = {}
    seeds = TEST.seeds(len(gallery.letterboxes), OFFSET)
    for start in range(0, len(seeds), TOGETHER):
        some = range(start, min(start + TOGETHER, len(seeds)))
        pictures = []
        for i in some:
            scene = make_scene(seeds[i])
            width, height = (round(SIDE * min(1, side)) for side in (scene.aspect, 1 / scene.aspect))
            pictures.append(Picture(render(scene, width, height).pixels, width, height))
        for i, picture, instances in zip(some, pictures, model.extract(pictures), strict=True):
            letterbox = gallery.letterboxes[i]
            scale = np.array([letterbox.width / picture.width, letterbox.height / picture.height] * 2)
            found[i] = replace(instances, boxes=(instances.boxes * scale).astype(np.float32))
    return place_all(model.encode(gallery.expressions), found, gallery)
