"""The spatial rectifier: with perfect scores of things and true boxes, what words say of places must decide alone."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from functools import cache
from random import Random

import numpy as np
import pytest

from reir.data.expressions import KINDS, Expression, describe
from reir.data.layout import make_scene
from reir.data.scenes.scene import Scene
from reir.data.splits import SPLITS
from reir.errors import UsageError
from reir.geometry.masks import encode_rle
from reir.geometry.places import centres_of
from reir.rerank import PictureLook, load_stage, run_stage
from reir.rerank.mask_centres import mask_centre
from reir.rerank.place_fit import Placed, place_fit
from reir.rerank.rectifier import Rectifier, meant
from reir.text.spatial import read_places
from reir.types import Hit, Instances
from tests.grid_colour_model import GridColourModel
from tests.rerank.scene_model import UNITS, SceneModel

SCENES = 90


@cache
def world() -> tuple[SceneModel, tuple[tuple[Expression, int, Scene], ...]]:
    split, rng = SPLITS["train"], Random(11)
    scenes = [make_scene(seed, split.style) for seed in split.seeds(SCENES, 400)]
    told = [(expression, target, scene) for scene in scenes for expression, target in describe(scene, rng, 20)]
    return SceneModel(scenes), tuple(told)


def hits_of(found: Instances, size: tuple[int, int], scores: Sequence[float], image_id: int = 1) -> list[Hit]:
    return [
        Hit(
            rank=row + 1,
            score=float(scores[row]),
            image_id=image_id,
            path="a.png",
            width=size[0],
            height=size[1],
            box=tuple(found.boxes[row].tolist()),
            objectness=1.0,
            instance_id=row,
        )
        for row in range(len(found))
    ]


def unread(side: int) -> None:
    raise AssertionError("the rectifier reads no pixels")


@pytest.mark.requires_font
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "attribute"])
def test_places_alone_find_the_true_object(kind: str) -> None:
    model, told = world()
    stage = Rectifier()
    right = []
    for expression, target, scene in told:
        if expression.kind != kind:
            continue
        found = model.instances_of(scene)
        width, height = (round(side * UNITS) for side in scene.size_units)
        thing = expression.program
        (query,) = model.encode([" ".join(filter(None, [thing.size, thing.colour, thing.noun]))])
        hits = hits_of(found, (width, height), found.vectors @ query)
        outcome = run_stage(stage, expression.text, hits, PictureLook(unread, found, model), seconds=60)
        right.append(outcome.hits[0].instance_id == target)
    assert len(right) > 20
    assert np.mean(right) >= 0.98


ROW = np.array([(x, 40, x + 10, 60) for x in (5, 30, 55, 80)], dtype=np.float32)
COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0)}


def row_of(*colours: str, boxes: np.ndarray = ROW, details: tuple[dict[str, object], ...] | None = None) -> Instances:
    vectors = np.array([COLOURS[colour] for colour in colours], dtype=np.float32)
    return Instances(boxes, np.ones(len(colours), dtype=np.float32), vectors, details)


def looked(
    stage: Rectifier, expression: str, found: Instances, scores: Sequence[float], rows: Sequence[int] | None = None
) -> dict[int, Hit]:
    hits = hits_of(found, (100, 100), scores)
    hits = [hit for hit in hits if rows is None or hit.instance_id in rows]
    look = PictureLook(unread, found, GridColourModel())
    return {hit.instance_id: hit for hit in stage.look(expression, hits, look)}


def best(hits: dict[int, Hit]) -> int:
    return max(hits.values(), key=lambda hit: hit.score).instance_id


EQUAL = [1.0, 1.0, 0.9, 1.0]
"""Scores of a model that has no idea of places, and not quite none of looks."""


@pytest.mark.parametrize(
    ("expression", "chosen"),
    [
        ("second red from the left", 1),
        ("the last red on the right", 3),
        ("leftmost green", 2),
        ("rightmost", 3),
        ("red right of the green", 3),
        ("far left", 0),
    ],
)
def test_hits_that_fit_come_first(expression: str, chosen: int) -> None:
    hits = looked(Rectifier(), expression, row_of("red", "red", "green", "red"), EQUAL)
    assert best(hits) == chosen


def test_beside_are_those_on_either_side() -> None:
    hits = looked(Rectifier(), "red next to the green", row_of("red", "red", "green", "red"), EQUAL)
    fits = [hits[row].stages["rectifier"]["fits"] for row in range(4)]
    assert fits[1] == fits[3] > 3 * fits[0]


def test_the_note_tells_what_was_understood_and_the_place_among_those_that_count() -> None:
    hits = looked(Rectifier(), "second red from the left", row_of("red", "red", "green", "red"), EQUAL)
    note = hits[1].stages["rectifier"]
    assert note["understood"] == "red: number 2 from the left (red)"
    assert note["position"] == "2 of 3 from the left"
    assert note["fits"] > 0.9
    assert note["meant"] > 0.9
    assert note["score_before"] == 1.0
    assert "position" not in hits[2].stages["rectifier"]
    assert hits[2].stages["rectifier"]["meant"] < 0.1


def test_a_better_instance_that_is_no_hit_is_told_of() -> None:
    found = row_of("red", "red", "green", "red")
    hits = looked(Rectifier(), "rightmost red", found, EQUAL, rows=[0, 1])
    assert all("not among the hits" in hit.stages["rectifier"]["better"] for hit in hits.values())
    assert not any(
        "better" in hit.stages["rectifier"] for hit in looked(Rectifier(), "rightmost red", found, EQUAL).values()
    )


@pytest.mark.parametrize("mode", ["full", "paper"])
@pytest.mark.parametrize("expression", ["red", "red facing left", ""])
def test_without_places_hits_stay_as_they_were(mode: str, expression: str) -> None:
    hits = looked(Rectifier(mode=mode), expression, row_of("red", "red", "green", "red"), [0.4, 0.3, 0.2, 0.1])
    assert [hits[row].score for row in range(4)] == [0.4, 0.3, 0.2, 0.1]
    assert all(hit.stages["rectifier"]["understood"] is None for hit in hits.values())


def test_weight_zero_changes_no_score() -> None:
    hits = looked(Rectifier(weight=0.0), "rightmost red", row_of("red", "red", "green", "red"), [0.4, 0.3, 0.2, 0.1])
    assert [hits[row].score for row in range(4)] == pytest.approx([0.4, 0.3, 0.2, 0.1])


def test_the_paper_s_rule_puts_the_half_first_and_keeps_the_picture_s_scores() -> None:
    hits = looked(
        Rectifier(mode="paper"), "red on the right", row_of("red", "red", "green", "red"), [0.4, 0.3, 0.2, 0.1]
    )
    assert [hits[row].score for row in range(4)] == [0.2, 0.1, 0.4, 0.3]
    assert [hits[row].stages["rectifier"]["fits"] for row in range(4)] == [False, False, True, True]
    unsaid = looked(Rectifier(mode="paper"), "red next to the green", row_of("red", "red", "green", "red"), EQUAL)
    assert unsaid[0].stages["rectifier"]["understood"] is None


def test_where_masks_are_stored_their_middle_counts() -> None:
    wide = np.array([(0, 40, 100, 60), (30, 40, 40, 60)], dtype=np.float32)
    mask = np.zeros((100, 100), dtype=bool)
    mask[40:60, :10] = True
    details = ({"mask": encode_rle(mask)}, {"mask": encode_rle(np.roll(mask, 30, axis=1))})
    assert mask_centre(details[0]["mask"], 100, 100) == pytest.approx((5, 50))
    assert mask_centre(details[0]["mask"], 200, 50) == pytest.approx((10, 25))
    by_box, by_mask = row_of("red", "red", boxes=wide), row_of("red", "red", boxes=wide, details=details)
    for mode in ("full", "paper"):
        first, second = (looked(Rectifier(mode=mode), "left red", found, [0.5, 0.5]) for found in (by_box, by_mask))
        assert first[1].stages["rectifier"]["fits"] > first[0].stages["rectifier"]["fits"]
        assert second[0].stages["rectifier"]["fits"] > second[1].stages["rectifier"]["fits"]


def test_boxes_of_one_thing_count_once() -> None:
    twice = np.concatenate([ROW[:1] + 0.5, ROW])
    found = row_of("red", "red", "red", "green", "red", boxes=twice)
    hits = looked(Rectifier(), "second red from the left", found, [1.0, 1.0, 1.0, 0.9, 1.0])
    assert best(hits) == 2


def test_a_phrase_means_all_where_there_is_nothing_else() -> None:
    assert meant(np.array([5.0, 5.0, 4.9]), 1.0).min() > 0.9
    assert meant(np.array([5.0, 1.0]), 1.0) == pytest.approx([0.95, 0.0], abs=0.01)
    assert meant(np.array([1.0, 0.5]), 1.0).tolist() == [1, 1]


def test_pictures_together_are_each_as_by_itself() -> None:
    rng = np.random.default_rng(2)
    corners = rng.random((2, 5, 2)) * 60
    boxes = np.concatenate([corners, corners + 5 + 30 * rng.random((2, 5, 2))], axis=2)
    sizes = np.array([(100.0, 100.0), (90.0, 120.0)])
    present = np.array([[True] * 5, [True] * 3 + [False] * 2])
    boxes[~present] = 0
    members = {name: rng.random((2, 5)) * present for name in ("cat", "dog")}
    both = Placed(boxes, centres_of(boxes), sizes, members, present)
    for text in ("second cat from left", "cat left of dog", "cat between two dogs", "middle cat", "left cat near dog"):
        fit = place_fit(read_places(text), both)
        for picture, count in enumerate(present.sum(axis=1).tolist()):
            own = Placed(
                boxes[picture : picture + 1, :count],
                centres_of(boxes[picture : picture + 1, :count]),
                sizes[picture : picture + 1],
                {name: chances[picture : picture + 1, :count] for name, chances in members.items()},
                present[picture : picture + 1, :count],
            )
            assert fit[picture, :count] == pytest.approx(place_fit(read_places(text), own)[0])


def test_many_pictures_of_many_instances_are_measured_a_few_at_a_time() -> None:
    rng = np.random.default_rng(4)
    corners = rng.random((3, 90, 2)) * 60
    boxes = np.concatenate([corners, corners + 5], axis=2)
    sizes = np.full((3, 2), 100.0)
    present = np.ones((3, 90), dtype=bool)
    placed = Placed(boxes, centres_of(boxes), sizes, {"dog": rng.random((3, 90))}, present)
    tracemalloc.start()
    fit = place_fit(read_places("between two dogs"), placed)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert fit.max() > 0
    assert peak < 100 * 2**20, "one picture's triples at a time"


def test_options() -> None:
    assert load_stage("rectifier:mode=paper", "rerank").name == "rectifier"
    with pytest.raises(UsageError, match="mode must be one of full, paper"):
        load_stage("rectifier:mode=all", "rerank")
    with pytest.raises(UsageError, match="no option"):
        load_stage("rectifier:alpha=1", "rerank")
