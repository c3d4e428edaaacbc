import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.ops import nms as torchvision_nms

from reir.geometry import iou_matrix, nms


def problem(seed, n):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 40, (n, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 40, (n, 2))], axis=1)
    return boxes, rng.permutation(n) / max(n, 1)


def test_by_hand():
    boxes = [[0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30], [0, 0, 10, 5]]
    assert nms(boxes, [0.5, 0.9, 0.7, 0.1], 0.6).tolist() == [1, 2, 3]
    assert nms(boxes, [0.5, 0.9, 0.7, 0.1], 0.5).tolist() == [1, 2]


def test_exactly_the_threshold_stays():
    assert nms([[0, 0, 10, 10], [0, 0, 10, 5]], [2.0, 1.0], 0.5).tolist() == [0, 1]


def test_equal_scores_keep_the_first():
    assert nms([[0, 0, 10, 10], [0, 0, 10, 10]], [1.0, 1.0], 0.5).tolist() == [0]


@given(st.integers(0, 10_000), st.integers(0, 40), st.sampled_from([0.1, 0.3, 0.5, 0.7]))
def test_equals_torchvision(seed, n, threshold):
    boxes, scores = problem(seed, n)
    expected = torchvision_nms(torch.tensor(boxes), torch.tensor(scores), threshold).tolist()
    assert nms(boxes, scores, threshold).tolist() == expected


@given(st.integers(0, 10_000), st.integers(1, 40))
def test_what_stays_is_apart_and_what_goes_has_a_reason(seed, n):
    boxes, scores = problem(seed, n)
    kept = nms(boxes, scores, 0.4)
    overlaps = iou_matrix(boxes, boxes)
    for i in range(n):
        better = [j for j in kept if scores[j] > scores[i]]
        assert (i in kept) == (not any(overlaps[i, j] > 0.4 for j in better))


def test_counts_must_agree():
    with pytest.raises(ValueError, match=r"\(2,\)"):
        nms(np.zeros((2, 4)), np.zeros(3), 0.5)
