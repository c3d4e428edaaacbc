import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from reir.geometry.masks import (
    box_rle,
    compressed_rle,
    decode_rle,
    encode_rle,
    mask_area,
    resize_rle,
    segmentation_rle,
)


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24)))
def test_a_mask_survives_encoding_as_json(mask):
    rle = json.loads(json.dumps(encode_rle(mask)))
    assert rle["size"] == list(mask.shape)
    assert np.array_equal(decode_rle(rle), mask)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8))
def test_uncompressed_run_lengths_go_down_the_columns(counts):
    total = sum(counts)
    if total == 0:
        return
    flat = np.concatenate([np.full(count, index % 2 == 1) for index, count in enumerate(counts)])
    for width in (1, total):
        expected = flat.reshape((total // width, width), order="F")
        assert np.array_equal(decode_rle({"size": list(expected.shape), "counts": counts}), expected)


def test_a_known_mask_gives_the_known_text():
    # 2 x 3, only the middle column set: runs 2, 2, 2 down the columns.
    mask = np.array([[0, 1, 0], [0, 1, 0]], dtype=bool)
    assert encode_rle(mask) == {"size": [2, 3], "counts": "222"}


def test_wrong_masks_and_runs_are_refused():
    with pytest.raises(ValueError, match=r"\(4,\)"):
        encode_rle(np.zeros(4, dtype=bool))
    with pytest.raises(ValueError, match="add up to 3"):
        decode_rle({"size": [2, 3], "counts": [1, 2]})


def test_a_mask_at_twice_its_size_has_each_pixel_four_times() -> None:
    mask = np.random.default_rng(3).random((7, 5)) < 0.4
    np.testing.assert_array_equal(decode_rle(resize_rle(encode_rle(mask), 10, 14)), mask.repeat(2, 0).repeat(2, 1))
    assert resize_rle(encode_rle(mask), 5, 7) == encode_rle(mask)
    assert decode_rle(resize_rle(encode_rle(mask), 3, 11)).shape == (11, 3)


def test_a_segmentation_of_any_form_becomes_run_lengths() -> None:
    # The left half of a picture of 4 x 2: as polygon, as run lengths of both kinds; two parts make one mask.
    left = np.array([[1, 1, 0, 0]] * 2, dtype=bool)
    whole = np.ones((2, 4), dtype=bool)
    polygon = [0, 0, 2, 0, 2, 2, 0, 2]
    for segmentation in ([polygon], {"size": [2, 4], "counts": [0, 4, 4]}, encode_rle(left)):
        np.testing.assert_array_equal(decode_rle(segmentation_rle(segmentation, 4, 2)), left)
    both = segmentation_rle([polygon, [2, 0, 4, 0, 4, 2, 2, 2]], 4, 2)
    np.testing.assert_array_equal(decode_rle(json.loads(json.dumps(both))), whole)
    assert segmentation_rle(None, 4, 2) is None
    assert segmentation_rle([], 4, 2) is None


@pytest.mark.parametrize("segmentation", ["text", {"size": [2, 4]}, [["a"]], {"size": [2, 4], "counts": [3]}])
def test_a_segmentation_that_is_none_is_refused(segmentation) -> None:
    with pytest.raises(ValueError, match=r"neither run lengths nor polygons|add up to 3"):
        segmentation_rle(segmentation, 4, 2)


def test_a_segmentation_of_another_picture_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[2, 4\], the picture of \[4, 2\]"):
        segmentation_rle(encode_rle(np.ones((2, 4), dtype=bool)), 2, 4)


def test_run_lengths_with_counts_as_bytes() -> None:
    mask = np.random.default_rng(3).random((7, 5)) < 0.4
    encoded = compressed_rle(mask)
    assert isinstance(encoded["counts"], bytes)
    assert encoded == compressed_rle(encode_rle(mask)) == compressed_rle(encoded)
    assert mask_area(mask) == mask_area(encoded) == mask_area(encode_rle(mask)) == mask.sum()


def test_a_box_is_filled_where_the_middles_of_pixels_lie_in_it() -> None:
    mask = decode_rle(box_rle((0.6, -3, 2.5, 1), 4, 2))
    np.testing.assert_array_equal(mask, [[False, True, False, False], [False] * 4])
    assert decode_rle(box_rle((0, 0, 4, 2), 4, 2)).all()
    assert not decode_rle(box_rle((5, 5, 9, 9), 4, 2)).any()
