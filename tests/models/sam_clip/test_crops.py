from __future__ import annotations

import numpy as np

from reir.models.sam_clip.crops import black_crop, blurred_crop
from reir.types import Array

BOX = np.array([20, 10, 60, 50], dtype=np.float32)


def example() -> tuple[Array, Array]:
    """A picture of noise, and a mask that fills a part of ``BOX`` up to its borders."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (70, 90, 3), dtype=np.uint8)
    mask = np.zeros((70, 90), dtype=bool)
    mask[10:50, 25:60] = True
    mask[30:50, 20:25] = True
    mask[15:20, 40:45] = False
    return pixels, mask


def test_black_outside_the_mask() -> None:
    pixels, mask = example()
    crop = black_crop(pixels, mask, BOX)
    assert crop.dtype == np.uint8
    np.testing.assert_array_equal(crop, np.where(mask[..., None], pixels, 0)[10:50, 20:60])


def test_blurred_outside_the_mask() -> None:
    pixels, mask = example()
    crop = blurred_crop(pixels, mask, BOX)
    inside = mask[10:50, 20:60]
    original = pixels[10:50, 20:60]
    assert crop.dtype == np.uint8
    np.testing.assert_array_equal(crop[inside], original[inside])
    assert crop[~inside].std() < original[~inside].std() / 3
    assert abs(crop[~inside].mean() - original[~inside].mean()) < 12, "its colours stay"


def test_a_mask_of_one_pixel() -> None:
    pixels, _ = example()
    mask = np.zeros((70, 90), dtype=bool)
    mask[69, 89] = True
    box = np.array([89, 69, 90, 70], dtype=np.float32)
    for cut in (black_crop, blurred_crop):
        np.testing.assert_array_equal(cut(pixels, mask, box), pixels[69:, 89:])


def test_the_picture_is_not_changed() -> None:
    pixels, mask = example()
    before = pixels.copy()
    black_crop(pixels, mask, BOX)
    blurred_crop(pixels, mask, BOX)
    np.testing.assert_array_equal(pixels, before)
