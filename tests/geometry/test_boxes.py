import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torchvision.ops import box_area as torchvision_box_area
from torchvision.ops import box_iou

from reir.geometry import (
    box_area,
    clip_boxes,
    cxcywh_to_xyxy,
    iou_matrix,
    paired_iou,
    xywh_to_xyxy,
    xyxy_to_cxcywh,
    xyxy_to_xywh,
)

corners = st.integers(-20, 5000).map(float)


@st.composite
def boxes(draw, max_size=6):
    n = draw(st.integers(0, max_size))
    points = draw(arrays(np.float64, (n, 2, 2), elements=corners))
    return np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1).reshape(n, 4)


def test_overlaps_that_can_be_seen_by_eye():
    a = [[0, 0, 10, 10], [5, 5, 5, 9]]
    b = [[0, 0, 10, 5], [5, 0, 15, 10], [10, 0, 20, 10], [0, 0, 10, 10]]
    assert iou_matrix(a, b).tolist() == [[0.5, 1 / 3, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]]


def test_a_half_is_not_more_than_a_half_at_float32_input():
    box = np.array([[0.1, 0.1, 1000.1, 1000.1]], dtype=np.float32)
    half = box.copy()
    half[0, 2] = (box[0, 0] + box[0, 2]) / 2
    assert iou_matrix(box, half)[0, 0] == pytest.approx(0.5, abs=1e-6)
    assert not iou_matrix([[0, 0, 4032, 3024]], [[0, 0, 4032, 1512]])[0, 0] > 0.5


@given(boxes(), boxes())
def test_overlaps_equal_torchvision(a, b):
    expected = torch.nan_to_num(box_iou(torch.tensor(a), torch.tensor(b)), nan=0.0).numpy()
    np.testing.assert_allclose(iou_matrix(a, b), expected, atol=1e-12)


@given(boxes())
def test_area_equals_torchvision(a):
    np.testing.assert_allclose(box_area(a), torchvision_box_area(torch.tensor(a)).numpy())


@given(boxes(), boxes())
def test_overlap_is_symmetric_and_a_share(a, b):
    overlaps = iou_matrix(a, b)
    assert overlaps.shape == (len(a), len(b))
    assert ((overlaps >= 0) & (overlaps <= 1)).all()
    np.testing.assert_array_equal(overlaps, iou_matrix(b, a).T)


@given(boxes())
def test_a_box_with_area_overlaps_itself_fully(a):
    np.testing.assert_array_equal(np.diag(iou_matrix(a, a)), (box_area(a) > 0).astype(float))
    np.testing.assert_array_equal(paired_iou(a, a), np.diag(iou_matrix(a, a)))


@given(boxes())
def test_conversions_and_back(a):
    np.testing.assert_allclose(xywh_to_xyxy(xyxy_to_xywh(a)), a)
    np.testing.assert_allclose(cxcywh_to_xyxy(xyxy_to_cxcywh(a)), a)


def test_conversions_by_hand():
    assert xyxy_to_xywh([[1.0, 2.0, 5.0, 10.0]]).tolist() == [[1, 2, 4, 8]]
    assert xyxy_to_cxcywh([[1.0, 2.0, 5.0, 10.0]]).tolist() == [[3, 6, 4, 8]]
    assert cxcywh_to_xyxy([3.0, 6.0, 4.0, 8.0]).tolist() == [1, 2, 5, 10]
    assert cxcywh_to_xyxy([[3, 6, 3, 8]]).tolist() == [[1.5, 2, 4.5, 10]]


@given(boxes(), st.integers(1, 4000), st.integers(1, 4000))
def test_clipped_boxes_lie_in_the_picture(a, width, height):
    clipped = clip_boxes(a, width, height)
    assert (clipped >= 0).all()
    assert (clipped[:, [0, 2]] <= width).all()
    assert (clipped[:, [1, 3]] <= height).all()
    np.testing.assert_array_equal(clip_boxes(clipped, width, height), clipped)


def test_clipping_keeps_the_type():
    assert clip_boxes(np.array([[-1, -1, 9, 9]], dtype=np.float32), 5, 5.5).dtype == np.float32


def test_wrong_shape_is_named():
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        iou_matrix(np.zeros((2, 3)), np.zeros((1, 4)))


def test_empty():
    assert iou_matrix(np.zeros((0, 4)), np.zeros((3, 4))).shape == (0, 3)
