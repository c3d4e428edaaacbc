"""The gallery that ships with the package, read as anybody would read it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from PIL import Image

from reir.data import find_dataset, load_dataset
from reir.data.expressions import KINDS
from reir.data.layout import make_scene
from reir.data.splits import GENERATOR_VERSION, TEST
from reir.data.synth import DEMO_IMAGES, DEMO_MAX_SIDE, DEMO_QUOTA
from reir.data.uniqueness import select


def test_the_demo_gallery_is_small_and_whole() -> None:
    path = find_dataset("demo")
    dataset = load_dataset("demo")
    files = sorted((path.parent / "images").glob("*.jpg"))
    assert len(files) == len(dataset.images) == DEMO_IMAGES
    assert sum(file.stat().st_size for file in (*files, path)) < 11_000_000
    for image in dataset.images[::10]:
        with Image.open(path.parent / "images" / image.file_name) as picture:
            assert picture.size == (image.width, image.height)
            assert max(picture.size) <= DEMO_MAX_SIDE
    counts = Counter(query.kind for query in dataset.queries)
    assert set(counts) == set(KINDS)
    assert min(counts.values()) >= 100
    assert dataset.ambiguous


def test_the_demo_gallery_is_what_the_generator_makes() -> None:
    content = json.loads(Path(find_dataset("demo")).read_text(encoding="utf-8"))
    assert content["info"]["generator_version"] == GENERATOR_VERSION
    scenes = [make_scene(seed) for seed in TEST.seeds(DEMO_IMAGES)]
    assert [image["scene"]["seed"] for image in content["images"]] == [scene.seed for scene in scenes]
    written = {text for annotation in content["annotations"] for text in annotation["expressions"]}
    assert written == {item.expression.text for item in select(scenes, seed=0, quota=DEMO_QUOTA).unique}
