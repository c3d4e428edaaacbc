import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reir.metrics import RankCounter, Truth, outcomes, place, ranks
from tests.metrics import plain
from tests.metrics.problems import BOXES, problems

IOUS = (0.5, 0.7, 0.9)


def placements_of(queries, truths, vectors, boxes, images):
    placed = []
    for query, truth in zip(queries, truths, strict=True):
        rows = np.flatnonzero(np.isin(images, truth.image_ids))
        placed.append(place(query, truth, images[rows], boxes[rows], vectors[rows], ious=IOUS))
    return placed


def count(queries, placements, vectors, images, *, depth, cuts):
    counter = RankCounter(queries, placements, ious=IOUS, depth=depth)
    for rows in np.split(np.arange(len(vectors)), sorted(cuts)):
        counter.add(images[rows], vectors[rows])
    return counter.ranks()


def equal(a, b):
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("official", "any", "image", "top_iou"))


def truths_of(problem):
    return [Truth(np.array([i]), box[None]) for i, box in zip(problem.query_images, problem.query_boxes, strict=True)]


@given(problems(), st.lists(st.integers(0, 40), max_size=6), st.integers(1, 12))
def test_cutting_the_gallery_into_blocks_changes_nothing(problem, cuts, depth):
    placements = placements_of(
        problem.query_vectors, truths_of(problem), problem.vectors, problem.boxes, problem.image_index
    )
    arguments = (problem.query_vectors, placements, problem.vectors, problem.image_index)
    whole = count(*arguments, depth=depth, cuts=[])
    assert equal(whole, count(*arguments, depth=depth, cuts=cuts))


@given(problems())
def test_a_shallow_count_is_a_deep_one_cut_off(problem):
    placements = placements_of(
        problem.query_vectors, truths_of(problem), problem.vectors, problem.boxes, problem.image_index
    )
    arguments = (problem.query_vectors, placements, problem.vectors, problem.image_index)
    deep, shallow = count(*arguments, depth=99, cuts=[]), count(*arguments, depth=3, cuts=[])
    for name in ("official", "any", "image"):
        assert np.array_equal(np.minimum(getattr(deep, name), 3), getattr(shallow, name))


def test_equal_vectors_tie_wherever_they_lie_in_a_block():
    """A fast matrix product may give a repeated vector different last bits in different columns."""
    rng = np.random.default_rng(3)
    vector = rng.normal(size=(1, 257)).astype(np.float32)
    lower = vector * np.float32(1 - 2**-23)
    query = np.abs(rng.normal(size=(1, 257)).astype(np.float32)) * np.sign(vector)
    copies = np.concatenate([np.repeat(vector, 61, axis=0), np.repeat(lower, 61, axis=0)])
    boxes = np.tile(BOXES[:1], (122, 1))
    images = np.arange(122)
    for own in (0, 13, 60):
        truths = [Truth(np.array([own]), BOXES[:1])]
        placed = placements_of(query, truths, copies, boxes, images)
        for cuts in ([], [1], [7, 8, 50], list(range(1, 122))):
            result = count(query, placed, copies, images, depth=200, cuts=cuts)
            assert result.official.tolist() == [60]
            assert result.image.tolist() == [60]
            assert result.any.tolist() == [[60, 60, 60]]


@pytest.mark.parametrize("at_once", [1, 3])
def test_working_in_portions_changes_nothing(monkeypatch, at_once):
    rng = np.random.default_rng(5)
    vectors = rng.integers(-2, 3, (200, 4)).astype(np.float32)
    boxes, images = BOXES[rng.integers(0, len(BOXES), 200)], np.repeat(np.arange(20), 10)
    own = rng.integers(0, 200, 30)
    queries = vectors[own] + rng.integers(0, 2, (30, 4)).astype(np.float32)
    truths = [Truth(images[i : i + 1], boxes[i : i + 1]) for i in own]
    placed = placements_of(queries, truths, vectors, boxes, images)
    before = count(queries, placed, vectors, images, depth=10, cuts=[])
    monkeypatch.setattr(ranks, "QUERIES_AT_ONCE", at_once)
    monkeypatch.setattr(ranks, "CANDIDATES_AT_ONCE", at_once)
    assert equal(before, count(queries, placed, vectors, images, depth=10, cuts=[100]))
    assert 0 < (before.official < 10).sum() < 30


@settings(max_examples=200)
@given(problems(max_queries=1), st.data())
def test_several_true_instances_equal_the_plain_loops(problem, data):
    """Ambiguous expressions: any of the true instances counts."""
    n = data.draw(st.integers(1, 5))
    images = np.array(data.draw(st.lists(st.integers(0, 7), min_size=n, max_size=n)))
    boxes = BOXES[data.draw(st.lists(st.integers(0, len(BOXES) - 1), min_size=n, max_size=n))]
    truth = Truth(images, boxes)
    placed = placements_of(problem.query_vectors, [truth], problem.vectors, problem.boxes, problem.image_index)
    result = count(problem.query_vectors, placed, problem.vectors, problem.image_index, depth=9, cuts=[5])
    right = outcomes(result, ks=(1, 2, 9))
    truths = list(zip(images.tolist(), map(tuple, boxes.tolist()), strict=True))
    for k in (1, 2, 9):
        for tau in IOUS:
            expected = plain.any_of(problem.scores[0], problem.gallery, truths, k, tau)
            assert right["any", "box_recall", f"{tau:g}", str(k)].tolist() == [expected]
        expected = plain.image_found(problem.scores[0], problem.gallery, set(images.tolist()), k)
        assert right["image_recall", str(k)].tolist() == [expected]


def test_a_settled_query_costs_no_more_products(monkeypatch):
    """A model that knows nothing is measured quickly: what already stands too far back is not multiplied again."""
    seen = []
    monkeypatch.setattr(ranks, "exact_scores", lambda query, vectors: seen.append(len(vectors)) or vectors @ query)
    vectors, images = np.ones((20_000, 2), np.float32), np.arange(20_000) // 10
    truths = [Truth(np.array([0]), BOXES[:1])] * 3
    boxes = np.tile(BOXES[:1], (20_000, 1))
    queries = np.ones((3, 2), np.float32)
    placed = placements_of(queries, truths, vectors, boxes, images)
    result = count(queries, placed, vectors, images, depth=10, cuts=range(1000, 20_000, 1000))
    assert result.official.tolist() == [10, 10, 10]
    assert sum(seen) == 3 * ranks.CANDIDATES_AT_ONCE


def test_bad_input_is_named():
    truth = [Truth(np.array([0]), BOXES[:1])]
    good = np.ones((1, 2), np.float32)
    placed = placements_of(good, truth, good, BOXES[:1], np.array([0]))
    with pytest.raises(ValueError, match="query vectors must be finite"):
        RankCounter(np.array([[1, np.nan]], np.float32), placed, ious=IOUS, depth=1)
    with pytest.raises(ValueError, match=r"\(1, D\)"):
        RankCounter(np.ones((2, 2), np.float32), placed, ious=IOUS, depth=1)
    with pytest.raises(ValueError, match="depth"):
        RankCounter(good, placed, ious=IOUS, depth=0)
    counter = RankCounter(good, placed, ious=IOUS, depth=1)
    with pytest.raises(ValueError, match="instance vectors must be finite"):
        counter.add(np.array([1]), np.array([[np.inf, 1]], np.float32))
    with pytest.raises(ValueError, match=r"\(1, 2\).*\(1, 3\)"):
        counter.add(np.array([1]), np.ones((1, 3), np.float32))
    with pytest.raises(ValueError, match="image_ids"):
        Truth(np.array([], int), np.zeros((0, 4)))
    with pytest.raises(ValueError, match="between 1 and the counted depth 1"):
        outcomes(counter.ranks(), ks=(1, 2))
