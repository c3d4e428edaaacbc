from __future__ import annotations

import hashlib
import json
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from reir.data import load_dataset
from reir.data.expressions import KINDS, Truth
from reir.data.layout import make_scene
from reir.data.scenes.scene import Scene
from reir.data.splits import SPLITS, TEST, TRAIN, VALIDATION
from reir.data.synth import build_split, synthesise
from reir.data.uniqueness import MOST_OF_ONE, Selection, select
from tests.data.expressions.slow_checker import truth


@cache
def gallery() -> tuple[tuple[Scene, ...], Selection]:
    scenes = tuple(make_scene(seed) for seed in VALIDATION.seeds(60))
    return scenes, select(scenes, seed=0, quota=25, ambiguous_quota=8)


def satisfied(program: Any, scenes: tuple[Scene, ...]) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    """(scene, object) pairs of which the program is true, and undefined, asked of every object of every scene."""
    values = {
        (index, target): truth(program, target, scene)
        for index, scene in enumerate(scenes)
        for target in range(len(scene.objects))
    }
    return (
        {pair for pair, value in values.items() if value == Truth.TRUE},
        {pair for pair, value in values.items() if value == Truth.UNDEFINED},
    )


def test_splits_never_share_a_seed() -> None:
    ranges = sorted((split.first, split.first + split.capacity) for split in SPLITS.values())
    assert all(end <= start for (_, end), (start, _) in pairwise(ranges))
    assert set(SPLITS) == {"train", "validation", "test", "shifted"}
    assert TRAIN.seeds(3, offset=2) == range(TRAIN.first + 2, TRAIN.first + 5)
    with pytest.raises(ValueError, match="1000000"):
        TEST.seeds(2, offset=999_999)


def test_unique_expressions_fit_one_instance_of_the_whole_gallery_by_brute_force() -> None:
    scenes, selection = gallery()
    assert {item.expression.kind for item in selection.unique} == set(KINDS)
    for item in selection.unique:
        assert satisfied(item.expression.program, scenes) == ({(item.scene, item.target)}, set()), item.expression.text


def test_ambiguous_expressions_name_all_their_instances_by_brute_force() -> None:
    scenes, selection = gallery()
    assert len(selection.ambiguous) > 10
    for item in selection.ambiguous:
        assert len(item.targets) > 1
        assert satisfied(item.expression.program, scenes) == (set(item.targets), set()), item.expression.text


def test_selection_accounts_for_every_candidate_and_keeps_to_its_quotas() -> None:
    _, selection = gallery()
    assert selection.candidates == len(selection.unique) + sum(selection.dropped.values())
    assert max(Counter(item.expression.kind for item in selection.unique).values()) <= 25
    assert max(Counter((item.scene, item.target) for item in selection.unique).values()) <= MOST_OF_ONE
    texts = [item.expression.text for item in (*selection.unique, *selection.ambiguous)]
    assert len(texts) == len(set(texts))
    sizes = Counter(gallery()[0][item.scene].objects[item.target].size for item in selection.unique)
    assert min(sizes.values()) > 0.5 * max(sizes.values())


def test_unknown_split() -> None:
    with pytest.raises(ValueError, match="'dev'"):
        build_split("dev", 1)


def test_training_expressions_fit_one_object_of_their_scene() -> None:
    scenes, selection = build_split("train", 20)
    assert scenes[0].seed == TRAIN.first
    assert selection.ambiguous == ()
    for item in selection.unique:
        found, undefined = satisfied(item.expression.program, (scenes[item.scene],))
        assert (found, undefined) == ({(0, item.target)}, set())


def test_the_test_split_is_frozen() -> None:
    """Scenes and sentences of the test split as they were when models were first trained: never ease them."""
    scenes, selection = build_split("test", 60)
    told = [
        [scene.place, [[o.noun, o.colour, o.size, o.cx, o.cy, o.extent, o.rotation] for o in scene.objects]]
        for scene in scenes
    ]
    words = [[item.scene, item.target, item.expression.kind, item.expression.text] for item in selection.unique]
    digest = hashlib.sha256(json.dumps([told, words]).encode()).hexdigest()
    assert digest == "ca1615105135821f8931776ba7dd50d1035cd9090b62647761d06d2368ab9dd6"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("synth")
    calls: list[tuple[int, int]] = []
    report = synthesise(
        out, "validation", 12, workers=1, max_side=400, progress=lambda done, total: calls.append((done, total))
    )
    assert calls[-1] == (12, 12)
    assert report.path == out / "validation.json"
    assert report.images == 12
    assert json.loads(json.dumps(report.to_json()))["split"] == "validation"
    return out, json.loads(report.path.read_text(encoding="utf-8"))


def test_files_hold_pictures_boxes_and_masks_that_agree(written: tuple[Path, dict[str, Any]]) -> None:
    out, content = written
    sizes = {}
    for image in content["images"]:
        with Image.open(out / "images" / image["file_name"]) as picture:
            assert picture.size == (image["width"], image["height"])
        sizes[image["id"]] = (image["height"], image["width"])
    errors = []
    for annotation in content["annotations"]:
        mask = coco_mask.decode(annotation["segmentation"])
        assert mask.shape == sizes[annotation["image_id"]]
        assert int(mask.sum()) == annotation["area"] > 0
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        x, y, width, height = annotation["bbox"]
        seen = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        errors.append(np.abs(np.array([x, y, x + width, y + height]) - seen).max())
        assert len(annotation["expressions"]) == len(annotation["expression_kinds"])
    # Boxes are measured to a fraction of a pixel, masks are whole pixels; slivers beside an occluder may fade out.
    assert max(errors) <= 4.0
    assert np.quantile(errors, 0.9) <= 1.5


def test_files_hold_the_scene_graph(written: tuple[Path, dict[str, Any]]) -> None:
    _, content = written
    by_id = {annotation["id"]: annotation for annotation in content["annotations"]}
    nouns = {category["id"]: category["name"] for category in content["categories"]}
    for image in content["images"]:
        scene = make_scene(image["scene"]["seed"])
        assert image["scene"]["place"] == scene.place
        things = [by_id[number] for number in image["scene"]["objects"]]
        assert [(nouns[thing["category_id"]], thing["colour"], thing["size"]) for thing in things] == [
            (thing.noun, thing.colour, thing.size) for thing in scene.objects
        ]
        assert all({subject, anchor} <= set(by_id) for subject, _, anchor in image["scene"]["relations"])
    assert content["info"]["generator_version"] == 1
    assert len(content["info"]["font_sha256"]) == 64


def test_the_reader_reads_what_was_written(written: tuple[Path, dict[str, Any]]) -> None:
    out, content = written
    dataset = load_dataset(out / "validation.json")
    assert len(dataset.images) == 12
    assert len(dataset.queries) == sum(len(annotation["expressions"]) for annotation in content["annotations"]) > 0
    assert {query.kind for query in dataset.queries} <= set(KINDS)
    assert len(dataset.ambiguous) == len(content["ambiguous"])


def test_writing_again_gives_the_same_bytes_with_other_workers(
    written: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    out, _ = written
    synthesise(tmp_path, "validation", 12, workers=2, max_side=400)
    for path in sorted(out.rglob("*.*")):
        assert (tmp_path / path.relative_to(out)).read_bytes() == path.read_bytes()


def test_sizes_change_pixels_and_nothing_else(written: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    _, content = written
    synthesise(tmp_path, "validation", 12, workers=1, max_side=200)
    smaller = json.loads((tmp_path / "validation.json").read_text(encoding="utf-8"))
    assert max(max(image["width"], image["height"]) for image in smaller["images"]) <= 200
    assert [image["scene"] for image in smaller["images"]] == [image["scene"] for image in content["images"]]
    assert [a["expressions"] for a in smaller["annotations"]] == [a["expressions"] for a in content["annotations"]]


@pytest.mark.slow
def test_the_test_split_has_enough_of_every_kind() -> None:
    scenes, selection = build_split("test", 1000)
    counts = Counter(item.expression.kind for item in selection.unique)
    assert set(counts) == set(KINDS)
    assert min(counts.values()) >= 150
    assert 2500 <= len(selection.unique) <= 4000
    assert len({thing.noun for scene in scenes for thing in scene.objects}) >= 120
