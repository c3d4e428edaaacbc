"""Masks inside the right picture, against sets of pixels: by stored masks, by filled boxes, and by a grounder."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from reir import Gallery
from reir.data.coco import load_dataset
from reir.errors import DatasetError, UsageError
from reir.evaluation import Grounded, SavedOutcomes, compare, evaluate, evaluate_system, format_report, format_table
from reir.geometry.masks import encode_rle
from reir.rerank import StagePlan
from tests.colour_crop_model import ColourCropModel
from tests.colour_grounder import ColourGrounder
from tests.grid_colour_model import GridColourModel
from tests.metrics import plain_masks as plain
from tests.search.galleries import paint

WIDTH, HEIGHT = 64, 48
NAMES = ("red", "green", "blue", "yellow", "dark")
MODEL = ColourCropModel()


def quadrant(place):
    x0, y0 = place % 2 * WIDTH // 2, place // 2 * HEIGHT // 2
    return x0, y0, x0 + WIDTH // 2, y0 + HEIGHT // 2


def filled(box):
    x0, y0, x1, y1 = box
    return {(row, column) for row in range(y0, y1) for column in range(x0, x1)}


@pytest.fixture(scope="module")
def problem(tmp_path_factory):
    """Pictures of four colours; the true mask is a part of a quadrant, that of the words or another one."""
    root = tmp_path_factory.mktemp("gallery")
    rng = np.random.default_rng(7)
    images, annotations, truths = [], [], []
    for number, colours in enumerate(list(permutations(NAMES, 4))[::13]):
        paint(root / f"{number}.png", colours, (WIDTH, HEIGHT))
        images.append({"id": number, "file_name": f"{number}.png", "width": WIDTH, "height": HEIGHT})
        for place in rng.choice([p for p in range(4) if colours[p] != "dark"], 2, replace=False).tolist():
            x0, y0, x1, y1 = quadrant(place)
            truth = np.zeros((HEIGHT, WIDTH), dtype=bool)
            truth[y0 : y1 - int(rng.integers(0, 16)), x0:x1] = True
            texts = [colours[place], f"the {colours[place]}", str(rng.choice(["red", "green", "blue"]))]
            polygon = [
                [x0, y0, x1, y0, x1, int(np.nonzero(truth)[0].max()) + 1, x0, int(np.nonzero(truth)[0].max()) + 1]
            ]
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": number,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "segmentation": polygon if number % 2 else encode_rle(truth),
                    "expressions": texts,
                    "expression_kinds": ["plain", "article", "any"],
                }
            )
            truths += [plain.pixels(truth)] * 3
    (root / "data.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    data = load_dataset(root / "data.json", images=root, masks=True)
    with Gallery.create(root, model=MODEL) as gallery:
        gallery.add([root], workers=0)
        yield gallery, data, truths


def figures_of(painted, truths, queries):
    """mIoU, oIoU, object-centric IoU and Pr@0.5 of sets of pixels."""
    overlaps = [plain.iou(mask, truth) for mask, truth in zip(painted, truths, strict=True)]
    objects = {}
    for mask, truth, query in zip(painted, truths, queries, strict=True):
        objects.setdefault((query.file_name, query.box), (truth, []))[1].append(mask)
    centric = [plain.object_centric(truth, masks) for truth, masks in objects.values()]
    return {
        "mean_iou": pytest.approx(np.mean(overlaps)),
        "overall_iou": pytest.approx(
            sum(len(m & t) for m, t in zip(painted, truths, strict=True))
            / sum(len(m | t) for m, t in zip(painted, truths, strict=True))
        ),
        "object_centric_iou": pytest.approx(np.mean(centric)),
        "precision_at_0.5": np.mean([value > 0.5 for value in overlaps]),
    }


def best_cells(problem):
    """For each query the quadrant that the model scores best in its picture, the worst of several."""
    gallery, data, truths = problem
    painted = []
    with gallery.reading() as snapshot:
        for query, truth in zip(data.queries, truths, strict=True):
            block = snapshot.instances_of(snapshot.image_by_path(query.file_name).image_id)
            scores = np.round(block.vectors @ MODEL.encode([query.text])[0], 5)
            cells = [filled([int(value) for value in box]) for box in block.boxes[scores == scores.max()].tolist()]
            painted.append(min(cells, key=lambda cell: plain.iou(cell, truth)))
    return painted


@pytest.mark.parametrize("mask", ["stored", None])
def test_equals_sets_of_pixels(problem, mask):
    gallery, data, truths = problem
    with gallery.reading() as snapshot:
        found = evaluate(snapshot, MODEL, data, task="ris", ious=(0.5,), stages=StagePlan(mask=mask))
    painted = best_cells(problem)
    assert found.overall.shares == figures_of(painted, truths, data.queries)
    assert found.overall.queries == len(truths) == sum(figures.queries for figures in found.by_kind.values())
    for kind, figures in found.by_kind.items():
        chosen = [q for q, query in enumerate(data.queries) if query.kind == kind]
        args = ([painted[q] for q in chosen], [truths[q] for q in chosen], [data.queries[q] for q in chosen])
        assert figures.shares == figures_of(*args)
    assert all(low <= found.overall.shares[name] <= high for name, (low, high) in found.overall.intervals.items())
    objects = len({(query.file_name, query.box) for query in data.queries})
    by_mask = {"objects": objects, "masks": len(truths), "filled_boxes": 0, "nothing": 0}
    by_box = {**by_mask, "masks": 0, "filled_boxes": len(truths)}
    assert found.to_json()["masks"] == (by_mask if mask else by_box)
    told = f"filled boxes that stand in for masks: {len(truths)} of {len(truths)} expressions"
    assert (told in found.warnings) == (mask is None)
    report = format_report(found)
    centric = found.overall.shares["object_centric_iou"]
    assert f"object-centric IoU of the mask inside the right picture  {100 * centric:.1f}" in report
    assert f"{objects:,} objects" in report
    assert format_table([found]).splitlines()[3].split() == ["queries", "mIoU", "oIoU", "Oc-IoU", "Pr@0.5"]


def test_a_box_is_measured_as_its_filled_pixels(problem):
    """The masks of the model are its boxes, so each is as good as the box where the truth fills its box too."""
    gallery, data, _ = problem
    with gallery.reading() as snapshot:
        masks = evaluate(snapshot, MODEL, data, task="ris", stages=StagePlan(mask="stored")).overall.shares
        boxes = evaluate(snapshot, MODEL, data, task="ris").overall.shares
        rec = evaluate(snapshot, MODEL, data, task="rec").overall.shares
    assert masks == boxes
    # A true mask is at most its quadrant, which is its box: no mask can be better than the box is.
    assert masks["mean_iou"] < rec["mean_iou"]


def test_by_a_grounder(problem):
    gallery, data, truths = problem
    grounder = ColourGrounder()
    found = evaluate_system(Grounded(grounder, images=len(data.images)), data, task="ris", ious=(0.5,))
    # The quadrants of the words' colour, which is in the picture or not.
    colours = {image.file_name: list(permutations(NAMES, 4))[::13][number] for number, image in enumerate(data.images)}
    painted = []
    for query in data.queries:
        word = query.text.removeprefix("the ")
        places = [place for place, colour in enumerate(colours[query.file_name]) if colour == word]
        painted.append(set().union(*(filled(quadrant(place)) for place in places)))
    assert found.overall.shares == figures_of(painted, truths, data.queries)
    record = found.to_json()
    assert record["masks"]["masks"] == len(truths)
    assert record["cost"]["pairs"] == {"colour": len(truths)}
    assert record["gallery"] == {"images": len(data.images), "instances": 0}
    assert "grounder colour" in format_report(found)
    assert max(grounder.asked) > 1
    assert sum(grounder.asked) == len(truths)
    boxes = evaluate_system(Grounded(ColourGrounder(masks=False), images=1), data, task="ris", ious=(0.5,))
    assert boxes.to_json()["masks"]["filled_boxes"] == len(truths)
    # A stage that finds nothing changes nothing, and each question goes its own way.
    staged = Grounded(ColourGrounder(masks=False), images=1, stages=StagePlan(mask="stored"))
    assert evaluate_system(staged, data, task="ris", ious=(0.5,)).overall == boxes.overall
    with gallery.reading() as snapshot:
        proposals = evaluate(snapshot, MODEL, data, task="rec").overall.shares["mean_iou"]
    rec = evaluate_system(Grounded(grounder, images=1), data, task="rec").overall.shares
    right = [q for q, mask in enumerate(painted) if mask]
    assert rec["mean_iou"] <= len(right) / len(painted)
    assert rec["mean_iou"] == pytest.approx(proposals, abs=0.35)


def test_systems_are_compared_on_masks(problem, tmp_path):
    gallery, data, _ = problem
    with gallery.reading() as snapshot:
        stored = evaluate(snapshot, MODEL, data, task="ris", stages=StagePlan(mask="stored"))
    grounded = evaluate_system(Grounded(ColourGrounder(), images=1), data, task="ris")
    grounded.outcomes.save(tmp_path / "grounder.parquet")
    comparison = compare(stored.outcomes, SavedOutcomes.load(tmp_path / "grounder.parquet"), ks=(1,))
    expected = stored.overall.shares["mean_iou"] - grounded.overall.shares["mean_iou"]
    assert comparison.differences["mean_iou"] == pytest.approx(expected)


def test_a_picture_without_instances_and_one_without_masks(tmp_path):
    class Blind(GridColourModel):
        def extract(self, pictures):
            return [found.take(np.zeros(0, dtype=np.int64)) for found in super().extract(pictures)]

    paint(tmp_path / "0.png", NAMES[:4], (WIDTH, HEIGHT))
    content = {
        "images": [{"id": 1, "file_name": "0.png", "width": WIDTH, "height": HEIGHT}],
        "annotations": [
            {"id": 1, "image_id": 1, "bbox": [0, 0, 9, 9], "expressions": ["red"], "segmentation": [[0, 0, 9, 0, 9, 9]]}
        ],
    }
    file = tmp_path / "data.json"
    file.write_text(json.dumps(content))
    data = load_dataset(file, images=tmp_path, masks=True)
    with Gallery.create(tmp_path, model=Blind()) as gallery:
        gallery.add([tmp_path], workers=0)
        with gallery.reading() as snapshot:
            found = evaluate(snapshot, Blind(), data, task="ris")
            assert found.overall.shares["mean_iou"] == found.overall.shares["object_centric_iou"] == 0
            assert found.to_json()["masks"] == {"objects": 1, "masks": 0, "filled_boxes": 0, "nothing": 1}
            with pytest.raises(DatasetError, match=r"no true mask.*--task rec"):
                evaluate(snapshot, Blind(), load_dataset(file, images=tmp_path), task="ris")
            del content["annotations"][0]["segmentation"]
            file.write_text(json.dumps(content))
            with pytest.raises(DatasetError, match="no true mask"):
                evaluate(snapshot, Blind(), load_dataset(file, images=tmp_path, masks=True), task="ris")
    content["annotations"][0]["segmentation"] = {"size": [2, 2], "counts": "04"}
    file.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=r"annotation 1: .*of the size"):
        load_dataset(file, images=tmp_path, masks=True)
    assert load_dataset(file, images=tmp_path).queries[0].targets[0].mask is None


def test_what_a_grounder_cannot_do(problem, tmp_path):
    _, data, _ = problem
    with pytest.raises(UsageError, match="--task rec or ris"):
        evaluate_system(Grounded(ColourGrounder(), images=1), data)
    with pytest.raises(UsageError, match="finds one box only"):
        Grounded(ColourGrounder(), images=1, stages=StagePlan(("templates",)))
    with pytest.raises(DatasetError, match=r"are not in .*--images DIR"):
        evaluate_system(Grounded(ColourGrounder(), images=1), replace(data, images_root=tmp_path), task="rec")
    (tmp_path / data.queries[0].file_name).write_bytes(b"no picture")
    one = replace(data, images_root=tmp_path, queries=data.queries[:1])
    with pytest.raises(DatasetError, match="cannot be read"):
        evaluate_system(Grounded(ColourGrounder(), images=1), one, task="rec")
