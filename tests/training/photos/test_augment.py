"""What is done to one picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reir.errors import ImageUnreadableError
from reir.imaging import decode_picture
from reir.training.photos import PhotoConfig, PhotoSource
from reir.training.photos.augment import Change, change_boxes, changed_pixels, draw_change, resized

PLAIN = Change((0, 0, 60, 40), False, (60, 40), 1.0, 1.0, 1.0)
CONFIG = PhotoConfig(sources=(PhotoSource(file="demo", task="reir"),))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """60 x 40, grey, with a white square at (40, 5) to (50, 15)."""
    pixels = np.full((40, 60, 3), 90, dtype=np.uint8)
    pixels[5:15, 40:50] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.mark.parametrize(
    ("size", "short", "found"),
    [
        ((640, 480), 800, (1067, 800)),
        ((480, 640), 480, (480, 640)),
        ((1000, 200), 480, (1333, 267)),
        ((9, 900), 800, (13, 1333)),
    ],
)
def test_short_and_long_side(size: tuple[int, int], short: int, found: tuple[int, int]) -> None:
    assert resized(*size, short, 1333) == found


def test_a_change_is_within_the_settings() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        change = draw_change(640, 427, CONFIG, rng, flip=False, crop=True)
        x0, y0, x1, y1 = change.window
        assert 0 <= x0 < x1 <= 640
        assert 0 <= y0 < y1 <= 427
        assert 0.59 <= (x1 - x0) / 640 <= 1
        assert min(change.size) in range(480, 801, 32) or max(change.size) == 1333
        assert all(0.8 <= factor <= 1.2 for factor in (change.brightness, change.contrast, change.saturation))
    assert draw_change(640, 427, CONFIG, rng, flip=True, crop=False).window == (0, 0, 640, 427)


def test_nothing_changed_is_the_picture_itself(picture: Path) -> None:
    assert np.array_equal(changed_pixels(picture, 60, 40, PLAIN), decode_picture(picture).picture.pixels)


@pytest.mark.parametrize("size", [(60, 40), (90, 60), (30, 20)])
@pytest.mark.parametrize("window", [(0, 0, 60, 40), (30, 0, 60, 30)])
@pytest.mark.parametrize("flip", [True, False])
def test_the_box_is_where_the_object_is(
    picture: Path, size: tuple[int, int], window: tuple[int, int, int, int], flip: bool
) -> None:
    change = replace(PLAIN, window=window, flip=flip, size=size)
    pixels = changed_pixels(picture, 60, 40, change)
    assert pixels.shape == (size[1], size[0], 3)
    boxes, stays = change_boxes(np.array([[40, 5, 50, 15]], dtype=np.float32), change, 0.25)
    assert stays.tolist() == [True]
    rows, columns = np.nonzero(pixels[..., 0] > 170)
    seen = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    x, y, w, h = boxes[0] * np.array([size[0], size[1], size[0], size[1]])
    assert np.abs(seen - [x - w / 2, y - h / 2, x + w / 2, y + h / 2]).max() <= 1


def test_less_than_a_quarter_leaves() -> None:
    change = replace(PLAIN, window=(10, 0, 40, 40))
    boxes = np.array([[0, 0, 12, 9], [0, 0, 20, 9], [38, 0, 50, 9], [50, 0, 60, 9], [20, 0, 30, 9]], dtype=np.float32)
    changed, stays = change_boxes(boxes, change, 0.25)
    assert stays.tolist() == [False, True, False, False, True]
    assert np.allclose(changed[1], [5 / 30, 4.5 / 40, 10 / 30, 9 / 40])


def test_boxes_are_for_the_upright_picture(tmp_path: Path) -> None:
    pixels = np.full((400, 600, 3), 90, dtype=np.uint8)
    pixels[50:150, 400:500] = 255
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.jpg", exif=exif)
    change = Change((300, 0, 600, 400), False, (150, 200), 1.0, 1.0, 1.0)
    found = changed_pixels(tmp_path / "a.jpg", 600, 400, change)
    assert found[50, 75].min() > 240
    assert found[50, 20].max() < 110
    with pytest.raises(ImageUnreadableError, match="is 600x400 upright, and its boxes are for 400x600"):
        changed_pixels(tmp_path / "a.jpg", 400, 600, change)


@pytest.mark.parametrize(("factor", "way"), [("brightness", 1), ("contrast", 1), ("brightness", -1)])
def test_jitter(picture: Path, factor: str, way: int) -> None:
    small, large = (
        changed_pixels(picture, 60, 40, replace(PLAIN, size=size, **{factor: 1 + 0.2 * way})).astype(int)
        for size in ((30, 20), (90, 60))
    )
    plain = changed_pixels(picture, 60, 40, replace(PLAIN, size=(30, 20))).astype(int)
    assert not np.array_equal(small, plain)
    if factor == "brightness":
        assert (small[15, 3] * way > plain[15, 3] * way).all()
        assert np.abs(large[45, 9] - small[15, 3]).max() <= 1  # before or after resizing
