"""Ellipses from boxes and back, in pixels and as masks."""

import numpy as np
import pytest

from reir.models.ellipse import anchors, box_of, extents, in_pixels, inscribed, mask_of


def outline(ellipse: np.ndarray, count: int = 20_000) -> np.ndarray:
    """Points (count, 2) of an ellipse in picture coordinates, by turning a stretched circle."""
    cx, cy, a, b, angle = ellipse.astype(np.float64)
    turns = np.linspace(0, 2 * np.pi, count, endpoint=False)
    x, y = a * np.cos(turns), b * np.sin(turns)
    return np.stack([cx + x * np.cos(angle) - y * np.sin(angle), cy + x * np.sin(angle) + y * np.cos(angle)], axis=1)


@pytest.mark.parametrize("angle", [0.0, 0.7, -1.2, 3.0])
def test_extent_of_a_turned_ellipse_is_exact(angle: float) -> None:
    ellipse = np.array([0.1, -0.2, 0.5, 0.2, angle], dtype=np.float32)
    points = outline(ellipse)
    expected = np.concatenate([points.min(axis=0), points.max(axis=0)])
    assert extents(ellipse[None])[0] == pytest.approx(expected, abs=1e-5)


def test_box_to_ellipse_to_box() -> None:
    box = (31.0, 12.5, 90.25, 77.0)
    assert box_of(inscribed(box, 200, 120), 200, 120) == pytest.approx(box, abs=1e-3)


def test_box_is_clipped_and_has_a_pixel() -> None:
    assert box_of(np.array([0.9, 0.0, 0.5, 0.25, 0.0], dtype=np.float32), 100, 80) == pytest.approx((70, 30, 100, 50))
    outside = box_of(np.array([2.0, 2.0, 0.1, 0.1, 0.0], dtype=np.float32), 100, 80)
    assert outside == (99, 79, 100, 80)


def test_flat_box_gets_an_inside() -> None:
    ellipse = inscribed((10, 10, 10, 40), 100, 100)
    assert ellipse[2] > 0


def test_ellipse_in_pixels_of_a_wide_picture() -> None:
    """A circle of picture coordinates is wider than high in a picture that is wider than high."""
    told = in_pixels(np.array([0.0, 0.0, 0.5, 0.5, 0.3], dtype=np.float32), 200, 100)
    assert told["centre"] == [100, 50]
    assert told["axes"] == pytest.approx([50, 25], abs=0.01)
    assert told["angle"] == pytest.approx(0, abs=1e-3)


def test_ellipse_in_pixels_has_the_same_outline() -> None:
    ellipse = np.array([0.2, -0.1, 0.6, 0.3, 0.8], dtype=np.float32)
    width, height = 300, 180
    told = in_pixels(ellipse, width, height)
    points = (outline(ellipse, 500) + 1) / 2 * (width, height) - told["centre"]
    turn = told["angle"]
    along = points @ (np.cos(turn), np.sin(turn))
    across = points @ (-np.sin(turn), np.cos(turn))
    assert (along / told["axes"][0]) ** 2 + (across / told["axes"][1]) ** 2 == pytest.approx(1, abs=2e-3)


def test_mask_fills_its_box() -> None:
    ellipse = np.array([0.1, 0.2, 0.4, 0.3, 0.6], dtype=np.float32)
    mask = mask_of(ellipse, 400, 300)
    rows, columns = np.nonzero(mask)
    filled = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert filled == pytest.approx(box_of(ellipse, 400, 300), abs=1.5)
    assert mask.mean() == pytest.approx(np.pi * 0.4 * 0.3 / 4, rel=0.01)


@pytest.mark.parametrize("count", [3, 6, 9])
def test_anchors_cover_the_picture(count: int) -> None:
    table = anchors(9, count)
    assert table.shape == (81 * count, 5)
    assert len(np.unique(table, axis=0)) == len(table)
    assert np.unique(table[:, 0]) == pytest.approx((np.arange(9) * 2 + 1) / 9 - 1, abs=1e-6)


def test_anchors_of_another_number() -> None:
    with pytest.raises(ValueError, match="3, 6 or 9"):
        anchors(9, 4)
