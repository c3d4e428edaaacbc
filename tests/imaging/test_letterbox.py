import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reir.imaging import GREY, Letterbox, nearest_canvas
from reir.types import Picture


def plain(width: int, height: int, *, reduced: tuple[int, int] | None = None, level: int = 200) -> Picture:
    columns, rows = reduced or (width, height)
    return Picture(np.full((rows, columns, 3), level, dtype=np.uint8), width, height)


def test_wide_picture_fills_the_width_and_is_padded_below() -> None:
    letterbox = Letterbox.fit(plain(400, 100), (64, 128))
    assert (letterbox.valid_height, letterbox.valid_width) == (32, 128)
    assert letterbox.pixels.shape == (64, 128, 3)
    assert (letterbox.pixels[:32] == 200).all()
    assert (letterbox.pixels[32:] == GREY).all()
    assert not letterbox.padding[:32].any()
    assert letterbox.padding[32:].all()


def test_small_pictures_are_enlarged() -> None:
    letterbox = Letterbox.fit(plain(10, 20), (64, 64))
    assert (letterbox.valid_height, letterbox.valid_width) == (64, 32)
    assert letterbox.scale == (3.2, 3.2)


def test_every_source_pixel_counts_when_reducing() -> None:
    stripes = np.zeros((512, 512, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    reduced = Letterbox.fit(Picture(stripes, 512, 512), (32, 32)).pixels
    assert np.abs(reduced.astype(int) - 127).max() <= 3


def test_boxes_refer_to_the_original_of_a_reduced_picture() -> None:
    letterbox = Letterbox.fit(plain(4000, 3000, reduced=(400, 300)), (96, 128))
    np.testing.assert_allclose(letterbox.to_original(np.array([[0, 0, 128, 96]])), [[0.0, 0, 4000, 3000]])
    np.testing.assert_allclose(letterbox.to_original(np.array([[-5, -5, 64, 48]])), [[0.0, 0, 2000, 1500]])


@given(
    st.integers(1, 5000),
    st.integers(1, 5000),
    st.integers(8, 700),
    st.integers(8, 700),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
def test_boxes_survive_the_way_in_and_out(
    width: int, height: int, rows: int, columns: int, corners: list[float]
) -> None:
    letterbox = Letterbox.fit(plain(width, height, reduced=(1, 1)), (rows, columns))
    box = np.array([[corners[0] * width, corners[1] * height, corners[2] * width, corners[3] * height]])
    np.testing.assert_allclose(letterbox.to_original(letterbox.to_canvas(box)), box, atol=1e-2, rtol=1e-4)
    assert letterbox.valid_height == rows or letterbox.valid_width == columns
    assert not letterbox.padding[: letterbox.valid_height, : letterbox.valid_width].any()


def test_no_boxes() -> None:
    assert Letterbox.fit(plain(8, 8), (8, 8)).to_original(np.zeros((0, 4), np.float32)).shape == (0, 4)


def test_nearest_canvas_compares_shapes_by_ratio() -> None:
    canvases = [(320, 320), (256, 384), (384, 256)]
    assert nearest_canvas(4000, 4100, canvases) == (320, 320)
    assert nearest_canvas(4000, 3000, canvases) == (256, 384)
    assert nearest_canvas(100, 1000, canvases) == (384, 256)
    with pytest.raises(ValueError, match="no canvases"):
        nearest_canvas(1, 1, [])
