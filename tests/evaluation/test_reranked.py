"""Figures after stages, against plain loops over scores in which the re-ranked instances stand above all others."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from reir import Gallery
from reir.data.coco import load_dataset
from reir.errors import UsageError
from reir.evaluation import TwoStage, evaluate, evaluate_system, format_report
from reir.rerank import StagePlan
from reir.rerank.prompts import labels_of, spatial_prompts
from tests.colour_crop_model import ColourCropModel
from tests.metrics import plain
from tests.search.galleries import paint

MODEL = ColourCropModel()
KS, IOUS = (1, 3, 5), (0.5, 0.7)
NAMES = ("red", "green", "blue", "yellow", "dark")
WIDTH, HEIGHT = 120, 90


@pytest.fixture(scope="module")
def problem(tmp_path_factory):
    """A gallery with all colours everywhere, and expressions for boxes that are sometimes right."""
    root = tmp_path_factory.mktemp("gallery")
    rng = np.random.default_rng(7)
    images, annotations = [], []
    for number, colours in enumerate(list(permutations(NAMES, 4))[::13]):
        paint(root / f"{number}.png", colours, (WIDTH, HEIGHT))
        images.append({"id": number, "file_name": f"{number}.png", "width": WIDTH, "height": HEIGHT})
        for place in rng.choice(4, 2, replace=False).tolist():
            box = [place % 2 * 60 + int(rng.integers(0, 12)), place // 2 * 45, 60, 45]
            text = " ".join(rng.choice(["red", "green", "blue", "yellow"], 2))
            annotations.append({"id": len(annotations), "image_id": number, "bbox": box, "expressions": [text]})
    (root / "data.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    with Gallery.create(root, model=MODEL) as gallery:
        gallery.add([root], workers=0)
        yield gallery, load_dataset(root / "data.json", images=root)


@pytest.mark.parametrize("blend", [None, {"lambda": 0.9, "tau": 0.2}])
@pytest.mark.parametrize("top", [5, 12, 100])
def test_equals_the_plain_loops(problem, top, blend):
    gallery, data = problem
    mix = {**MODEL.blend, **(blend or {})}
    plan = StagePlan(("templates",), top=top)
    with gallery.reading() as snapshot:
        found = evaluate(snapshot, MODEL, data, ks=KS, ious=IOUS, stages=plan, blend=blend)
        (block,) = snapshot.blocks()
        ids = {image.file_name: snapshot.image_by_path(image.file_name).source_image_id for image in data.images}
    record = found.to_json()
    assert record["stages"] == ["templates"]
    assert "then templates" in format_report(found)
    assert record["timings_ms"]["templates_per_query"] > 0
    stood = plain.Gallery(block.image_ids.tolist(), [tuple(box) for box in block.boxes.tolist()])
    labels = labels_of(block.boxes, WIDTH, HEIGHT)

    def scores_of(text):
        """First scores, and 1000 more than the stage's for the best ``top``."""
        first = block.vectors @ MODEL.encode([text], blend=blend)[0]
        scores = first.tolist()
        for j in np.argsort(-first, kind="stable")[:top].tolist():
            cosine = float((MODEL.encode_texts(spatial_prompts(text, labels[j])) @ block.vectors[j, :3]).mean())
            again = mix["lambda"] / mix["tau"] * cosine + (1 - mix["lambda"]) * float(block.objectness[j])
            scores[j] = 1000 + round(again, 4)
        return scores

    table = [(query, scores_of(query.text)) for query in data.queries]

    def share(right):
        return sum(right(query, scores) for query, scores in table) / len(table)

    for k in KS:
        for tau in IOUS:
            wanted = share(lambda q, s, k=k, tau=tau: plain.official(s, stood, ids[q.file_name], q.box, k, tau))
            assert record["official"]["box_recall"][f"{tau}"][f"{k}"] == pytest.approx(wanted)
            wanted = share(lambda q, s, k=k, tau=tau: plain.any_of(s, stood, [(ids[q.file_name], q.box)], k, tau))
            assert record["any"]["box_recall"][f"{tau}"][f"{k}"] == pytest.approx(wanted)
        wanted = share(lambda q, s, k=k: plain.image_found(s, stood, {ids[q.file_name]}, k))
        assert record["image_recall"][f"{k}"] == pytest.approx(wanted)


def test_stages_must_look_as_deep_as_the_figures(problem):
    gallery, data = problem
    with (
        gallery.reading() as snapshot,
        pytest.raises(UsageError, match="--stage-top must be at least the largest k, 10"),
    ):
        evaluate(snapshot, MODEL, data, stages=StagePlan(("templates",), top=5))


def test_a_stage_that_ran_out_of_time_is_told(problem):
    gallery, data = problem
    plan = StagePlan(refine="box-search", seconds=1e-9, top=10)
    with gallery.reading() as snapshot:
        found = evaluate(snapshot, MODEL, data, stages=plan)
    assert any("did not see all hits" in warning for warning in found.warnings)


def test_stages_inside_a_picture(problem):
    """REC and two stages: of the instances of one picture, the best by the stage's score gives the box."""
    gallery, data = problem
    plan = StagePlan(("templates",))
    with gallery.reading() as snapshot:
        alone = evaluate(snapshot, MODEL, data, task="rec", ious=IOUS)
        inside = evaluate(snapshot, MODEL, data, task="rec", ious=IOUS, stages=plan)
        system = TwoStage(snapshot, MODEL, snapshot, MODEL, stages=plan)
        both = evaluate_system(system, data, ks=KS, ious=IOUS)
        pictures = evaluate(snapshot, MODEL, data, task="tir", ks=KS).to_json()["image_recall"]
        blocks = {
            image.file_name: snapshot.instances_of(snapshot.image_by_path(image.file_name).image_id)
            for image in data.images
        }

    def overlap(query):
        block = blocks[query.file_name]
        cosines = np.array(
            [
                (MODEL.encode_texts(spatial_prompts(query.text, label)) @ vector[:3]).mean()
                for label, vector in zip(labels_of(block.boxes, WIDTH, HEIGHT), block.vectors, strict=True)
            ]
        )
        mix = MODEL.blend
        scores = np.round(mix["lambda"] / mix["tau"] * cosines + (1 - mix["lambda"]) * block.objectness, 4)
        return min(plain.iou(tuple(box), query.box) for box in block.boxes[scores == scores.max()].tolist())

    overlaps = np.array([overlap(query) for query in data.queries])
    for tau in IOUS:
        assert inside.overall.shares[f"precision_at_{tau}"] == (overlaps > tau).mean()
    assert inside.overall.shares["mean_iou"] == pytest.approx(overlaps.mean(), abs=1e-6)
    assert inside.overall.shares != alone.overall.shares
    assert inside.timings_ms["templates_per_query"] > 0
    assert both.overall.shares["precision_at_0.5"] == inside.overall.shares["precision_at_0.5"]
    assert both.overall.shares["image_recall"] == pictures
    right = both.overall.shares["any"]["box_recall"]["0.5"]
    assert all(right[f"{k}"] <= pictures[f"{k}"] for k in KS)
    # The prompts are texts alone: no picture is looked at again.
    assert both.cost.pairs == {}


def test_what_a_stage_that_looks_at_pixels_costs(problem):
    gallery, data = problem
    few = replace(data, queries=data.queries[:3])
    plan = StagePlan(refine="box-search", top=1)
    with gallery.reading() as snapshot:
        rec = evaluate(snapshot, MODEL, few, task="rec", stages=plan)
        over_all = evaluate(snapshot, MODEL, few, ks=(1,), stages=plan)
        both = evaluate_system(TwoStage(snapshot, MODEL, snapshot, MODEL, depth=4, stages=plan), few, ks=(1,))
    assert rec.cost.pairs == over_all.cost.pairs == {"box-search": 3}
    assert both.cost.pairs == {"box-search": 12}
    assert both.cost.total == len(data.images) + 3 + 12
