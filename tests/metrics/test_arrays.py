import numpy as np
import pytest
from hypothesis import given, settings

from reir.metrics import box_recall_from_arrays
from tests.metrics import plain
from tests.metrics.problems import Problem, problems

KS = (1, 2, 5)
IOUS = (0.5, 0.7, 0.9)


def measure(problem: Problem, ks=KS, ious=IOUS):
    return box_recall_from_arrays(
        problem.query_vectors,
        problem.query_images,
        problem.query_boxes,
        problem.vectors,
        problem.boxes,
        problem.image_index,
        ks=ks,
        ious=ious,
    )


# Two pictures, two instances each; vectors are unit axes, so that a query lists the scores of instances 0 to 3.
# Picture 0 holds [0,0,10,10] and [20,0,30,10]; picture 1 holds [0,0,10,10] and [0,0,10,6].
HAND = {
    "vectors": np.eye(4, dtype=np.float32),
    "boxes": np.array([[0, 0, 10, 10], [20, 0, 30, 10], [0, 0, 10, 10], [0, 0, 10, 6]], float),
    "image_index": np.array([0, 0, 1, 1]),
}


def by_hand(scores, image, box):
    result = box_recall_from_arrays(
        np.array([scores], dtype=np.float32), np.array([image]), np.array([box], float), **HAND, ks=(1, 2, 3, 4)
    )
    official = {tau: [int(result["official"]["box_recall"][tau][k]) for k in "1234"] for tau in ("0.5", "0.7", "0.9")}
    free = {tau: [int(result["any"]["box_recall"][tau][k]) for k in "1234"] for tau in ("0.5", "0.7", "0.9")}
    image_recall = [int(result["image_recall"][k]) for k in "1234"]
    return official, free, image_recall, result["precision_at_0.5"]


def same(row):
    return {"0.5": row, "0.7": row, "0.9": row}


def test_found_first():
    assert by_hand([9, 1, 2, 3], 0, [0, 0, 10, 10]) == (same([1, 1, 1, 1]), same([1, 1, 1, 1]), [1, 1, 1, 1], 1.0)


def test_right_picture_wrong_box_fails_official_and_passes_any_further_down():
    # Best inside is instance 1, the wrong box; the right one (instance 0) comes second of the gallery.
    official, free, images, precision = by_hand([8, 9, 2, 3], 0, [0, 0, 10, 10])
    assert official == same([0, 0, 0, 0])
    assert free == same([0, 1, 1, 1])
    assert images == [1, 1, 1, 1]
    assert precision == 0.0


def test_outranked_by_two_instances_of_one_picture():
    official, free, images, precision = by_hand([5, 1, 9, 8], 0, [0, 0, 10, 10])
    assert official == free == same([0, 0, 1, 1])
    assert images == [0, 1, 1, 1]
    assert precision == 1.0


def test_a_loose_box_counts_at_half_only():
    # The truth is [0,0,10,10]; best inside is [0,0,10,6] with IoU 0.6; the tight one is second inside and third of all.
    official, free, _, precision = by_hand([8, 1, 7, 9], 1, [0, 0, 10, 10])
    assert official == {"0.5": [1, 1, 1, 1], "0.7": [0, 0, 0, 0], "0.9": [0, 0, 0, 0]}
    assert free == {"0.5": [1, 1, 1, 1], "0.7": [0, 0, 1, 1], "0.9": [0, 0, 1, 1]}
    assert precision == 1.0


def test_exactly_the_threshold_is_not_enough():
    # IoU of [0,0,10,6] with [0,0,10,3] is one half.
    official, free, _, precision = by_hand([1, 2, 3, 9], 1, [0, 0, 10, 3])
    assert official["0.5"] == free["0.5"] == [0, 0, 0, 0]
    assert precision == 0.0


def test_a_tie_with_another_picture_counts_against():
    official, free, images, _ = by_hand([9, 1, 9, 1], 0, [0, 0, 10, 10])
    assert official == free == same([0, 1, 1, 1])
    assert images == [0, 1, 1, 1]


def test_a_tie_inside_the_picture_chooses_the_wrong_box():
    official, free, images, precision = by_hand([9, 9, 1, 1], 0, [0, 0, 10, 10])
    assert official == same([0, 0, 0, 0])
    assert free == same([0, 1, 1, 1])
    assert images == [1, 1, 1, 1]
    assert precision == 0.0


def test_two_right_boxes_that_tie_are_one_answer_for_any_and_each_others_rival_for_official():
    official, free, _, precision = by_hand([1, 1, 9, 9], 1, [0, 0, 10, 8])
    assert official["0.5"] == [0, 1, 1, 1]
    assert free["0.5"] == [1, 1, 1, 1]
    assert precision == 1.0


def test_a_picture_without_instances_is_never_found():
    official, free, images, precision = by_hand([9, 9, 9, 9], 7, [0, 0, 10, 10])
    assert official == free == same([0, 0, 0, 0])
    assert images == [0, 0, 0, 0]
    assert precision == 0.0


def test_constant_scores_give_nothing():
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 300, (3000, 2))
    boxes = np.concatenate([corner, corner + 50], axis=1)
    images = np.repeat(np.arange(300), 10)
    truth = rng.choice(3000, 200)
    result = box_recall_from_arrays(
        np.ones((200, 8), np.float32), images[truth], boxes[truth], np.ones((3000, 8), np.float32), boxes, images
    )
    for protocol in ("official", "any"):
        assert all(share == 0.0 for by_k in result[protocol]["box_recall"].values() for share in by_k.values())
    assert result["image_recall"] == {"1": 0.0, "5": 0.0, "10": 0.0}
    assert result["precision_at_0.5"] == 0.0


@settings(max_examples=300)
@given(problems())
def test_equals_the_plain_loops(problem):
    result = measure(problem)
    gallery, n = problem.gallery, len(problem.query_images)
    queries = list(
        zip(problem.scores, problem.query_images.tolist(), map(tuple, problem.query_boxes.tolist()), strict=True)
    )
    for tau in IOUS:
        for k in KS:
            expected = sum(plain.official(scores, gallery, image, box, k, tau) for scores, image, box in queries) / n
            assert result["official"]["box_recall"][f"{tau:g}"][str(k)] == expected
            expected = sum(plain.any_of(scores, gallery, [(image, box)], k, tau) for scores, image, box in queries) / n
            assert result["any"]["box_recall"][f"{tau:g}"][str(k)] == expected
    for k in KS:
        expected = sum(plain.image_found(scores, gallery, {image}, k) for scores, image, _ in queries) / n
        assert result["image_recall"][str(k)] == expected
    expected = sum(plain.precise(scores, gallery, image, box, 0.5) for scores, image, box in queries) / n
    assert result["precision_at_0.5"] == expected


@given(problems(max_queries=1))
def test_official_is_never_above_any(problem):
    """One query, so that the inequality is tested for every query and not for means of them."""
    result = measure(problem)
    for tau, by_k in result["official"]["box_recall"].items():
        for k, share in by_k.items():
            assert share <= result["any"]["box_recall"][tau][k]
            assert share <= result["image_recall"][k]
            assert result["any"]["box_recall"][tau][k] <= result["image_recall"][k]


@given(problems())
def test_the_order_of_the_gallery_does_not_matter(problem):
    order = np.random.default_rng(len(problem.vectors)).permutation(len(problem.vectors))
    shuffled = Problem(
        problem.query_vectors,
        problem.query_images,
        problem.query_boxes,
        problem.vectors[order],
        problem.boxes[order],
        problem.image_index[order],
    )
    assert measure(problem) == measure(shuffled)


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="3, 4, 4"):
        box_recall_from_arrays(
            np.zeros((1, 4), np.float32),
            np.zeros(1, int),
            np.zeros((1, 4)),
            np.zeros((3, 4)),
            *[HAND[n] for n in ("boxes", "image_index")],
        )
    with pytest.raises(ValueError, match="queries must agree: 1, 2, 1"):
        box_recall_from_arrays(np.zeros((1, 4), np.float32), np.zeros(2, int), np.zeros((1, 4)), **HAND)


def test_no_queries_is_an_error():
    with pytest.raises(ValueError, match="no queries"):
        box_recall_from_arrays(np.zeros((0, 4), np.float32), np.zeros(0, int), np.zeros((0, 4)), **HAND)
