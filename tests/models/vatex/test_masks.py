"""Masks and boxes of queries at any size."""

from __future__ import annotations

import numpy as np
import pytest

from reir.geometry.masks import decode_rle
from reir.models.vatex import masks
from reir.models.vatex.masks import QueryMasks
from reir.models.vatex.sizes import network_size


def of(*masks, chances=None, window=(0.0, 0.0, 64.0, 32.0)) -> QueryMasks:
    logits = np.stack([np.where(mask, 6.0, -6.0) for mask in masks]).astype(np.float32)
    return QueryMasks(np.array(chances or [0.5] * len(masks), np.float32), logits, window)


def block(y0, x0, y1, x1):
    mask = np.zeros((8, 16), dtype=bool)
    mask[y0:y1, x0:x1] = True
    return mask


def test_a_box_is_that_of_the_mask_in_the_original():
    # A cell is 4 pixels of the original here.
    assert of(block(2, 4, 6, 10)).boxes == [(16.0, 8.0, 40.0, 24.0)]
    assert of(block(2, 4, 6, 10), window=(0.0, 0.0, 640.0, 640.0)).boxes == [(160.0, 160.0, 400.0, 480.0)]
    assert of(block(2, 4, 6, 10), window=(100.0, 50.0, 164.0, 82.0)).boxes == [(116.0, 58.0, 140.0, 74.0)]


def test_specks_do_not_stretch_a_box():
    mask = block(2, 4, 7, 10)
    mask[0, 15] = True
    found = of(mask)
    assert found.boxes == [(16.0, 8.0, 40.0, 28.0)]
    assert found.mask(0, 64, 32, original=(64, 32))[:4, 60:].any()


def test_two_halves_of_a_thing_share_a_box():
    assert of(block(2, 2, 6, 5) | block(2, 9, 6, 12)).boxes == [(8.0, 8.0, 48.0, 24.0)]


def test_a_mask_at_any_size():
    found = of(block(2, 4, 6, 10))
    for width, height in ((64, 32), (128, 64), (16, 8)):
        mask = found.mask(0, width, height, original=(64, 32))
        assert mask.shape == (height, width)
        assert mask[height // 2, width * 7 // 16]
        assert not mask[0].any()
        assert mask.mean() == pytest.approx(6 * 4 / 128, rel=0.12)


def test_a_mask_of_a_window_lies_in_it():
    found = of(np.ones((8, 16), dtype=bool), window=(30.0, 10.0, 50.0, 20.0))
    mask = found.mask(0, 100, 40, original=(100, 40))
    assert mask[10:20, 30:50].all()
    assert mask.sum() == 200
    half = found.mask(0, 50, 20, original=(100, 40))
    assert half[5:10, 15:25].all()
    assert half.sum() == 50


def test_run_lengths_of_large_pictures_are_drawn_smaller(monkeypatch):
    found = of(block(2, 4, 6, 10))
    exact = decode_rle(found.rle(0, 640, 320))
    assert np.array_equal(exact, found.mask(0, 640, 320, original=(640, 320)))
    monkeypatch.setattr(masks, "_MOST_PIXELS", 160 * 80)
    coarse = decode_rle(found.rle(0, 640, 320))
    assert coarse.shape == exact.shape
    assert (coarse & exact).sum() / (coarse | exact).sum() > 0.9


def test_the_best_query_is_the_surest_with_a_mask():
    assert of(block(0, 0, 2, 2), block(4, 4, 6, 6), chances=[0.2, 0.6]).best == 1
    assert of(block(0, 0, 2, 2), block(0, 0, 0, 0), chances=[0.2, 0.6]).best == 0
    empty = of(block(0, 0, 0, 0), block(0, 0, 0, 0), chances=[0.2, 0.6])
    assert empty.best == 1
    assert empty.boxes == [None, None]


def test_fits():
    found = of(block(2, 4, 6, 10), block(0, 0, 0, 0))
    assert found.fits((16.0, 8.0, 40.0, 24.0)).tolist() == pytest.approx([1.0, 0.0])
    assert found.fits((16.0, 8.0, 28.0, 24.0)).tolist() == pytest.approx([0.5, 0.0])


@pytest.mark.parametrize(
    ("width", "height", "side", "wanted"),
    [
        (640, 480, 480, (480, 640)),
        (500, 375, 480, (480, 640)),
        (375, 500, 480, (640, 480)),
        (4000, 100, 480, (480, 960)),
        (96, 96, 96, (96, 96)),
        (10, 10, 32, (32, 32)),
    ],
)
def test_sizes(width, height, side, wanted):
    assert network_size(width, height, side) == wanted
