"""Where boxes land on a picture, and what the contact sheet shows."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from reir.imaging.decode import decode_picture
from reir.imaging.draw import COLOURS, Ellipse, Mark, draw_boxes, ink_on
from reir.imaging.sheet import CELL_HEIGHT, CELL_WIDTH, Panel, contact_sheet
from reir.types import Picture
from tests.imaging.orientations import STORED_AS, with_orientation

GREY = (128, 128, 128)


def grey(width: int, height: int, *, original: tuple[int, int] | None = None) -> Picture:
    pixels = np.full((height, width, 3), 128, dtype=np.uint8)
    return Picture(pixels, *(original or (width, height)))


def coloured(image: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """The tight box of the pixels of exactly this colour (a lossless drawing)."""
    rows, columns = np.where((np.asarray(image) == colour).all(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def test_the_outer_edge_of_the_line_is_the_box() -> None:
    drawn = draw_boxes(grey(400, 300), [Mark((50, 60, 250, 200))])
    assert coloured(drawn, COLOURS[0]) == (50, 60, 250, 200)
    assert drawn.getpixel((150, 130)) == GREY


def test_boxes_of_the_original_are_scaled_to_a_reduced_picture() -> None:
    drawn = draw_boxes(grey(400, 300, original=(4000, 3000)), [Mark((500, 600, 2500, 2000))])
    assert coloured(drawn, COLOURS[0]) == (50, 60, 250, 200)


@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8])
def test_the_box_encloses_the_object_however_the_camera_was_held(orientation: int) -> None:
    """A red square on a photo stored under each EXIF orientation: the box of its upright place goes round it."""
    upright = Image.new("RGB", (300, 200), GREY)
    upright.paste((255, 0, 0), (180, 20, 260, 90))
    stored = upright.transpose(STORED_AS[orientation]) if orientation > 1 else upright
    file = io.BytesIO()
    stored.save(file, "PNG", exif=with_orientation(orientation))
    file.seek(0)
    decoded = decode_picture(file)
    assert (decoded.picture.width, decoded.picture.height) == (300, 200)
    drawn = np.asarray(draw_boxes(decoded.picture, [Mark((176, 16, 264, 94))]))
    red_rows, red_columns = np.where((drawn == (255, 0, 0)).all(axis=2))
    assert (red_columns.min(), red_rows.min(), red_columns.max() + 1, red_rows.max() + 1) == (180, 20, 260, 90)
    assert coloured(Image.fromarray(drawn), COLOURS[0]) == (176, 16, 264, 94)


@given(
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.lists(st.tuples(*[st.floats(-50, 400)] * 4), min_size=1, max_size=6),
)
def test_any_box_on_any_size_is_drawn_without_complaint(
    size: tuple[int, int], boxes: list[tuple[float, float, float, float]]
) -> None:
    marks = [Mark((min(a, c), min(b, d), max(a, c), max(b, d)), "7  0.83") for a, b, c, d in boxes]
    drawn = draw_boxes(grey(*size), marks)
    assert drawn.size == size
    assert (np.asarray(drawn) != 128).any()


def test_the_first_box_lies_over_the_others() -> None:
    drawn = draw_boxes(grey(400, 300), [Mark((50, 60, 250, 200)), Mark((50, 60, 250, 200))])
    assert coloured(drawn, COLOURS[0]) == (50, 60, 250, 200)
    assert not (np.asarray(drawn) == COLOURS[1]).all(axis=2).any()


def test_a_label_stands_above_its_box_or_inside_where_there_is_no_room() -> None:
    above = coloured(draw_boxes(grey(400, 300), [Mark((50, 100, 250, 200), "0.83")]), COLOURS[0])
    inside = coloured(draw_boxes(grey(400, 300), [Mark((50, 0, 250, 200), "0.83")]), COLOURS[0])
    assert above[0] == 50
    assert above[1] < 100 - 10
    assert inside == (50, 0, 250, 200)


def test_letters_and_lines_grow_with_the_picture() -> None:
    def label_height(scale: int) -> int:
        box = (50 * scale, 150 * scale, 250 * scale, 250 * scale)
        drawn = draw_boxes(grey(400 * scale, 300 * scale), [Mark(box, "0.83")])
        return int(box[1]) - coloured(drawn, COLOURS[0])[1]

    assert 5 < label_height(8) / label_height(1) < 9


def test_ink_reads_on_every_line_colour() -> None:
    assert ink_on((255, 255, 255)) != ink_on((0, 0, 0))
    for colour in COLOURS:
        assert abs(sum(ink_on(colour)) - sum(colour)) > 120


def panels(count: int) -> list[Panel]:
    return [
        Panel(rank, grey(200, 150), [Mark((20, 20, 100, 100), "0.90")], f"a/very/long/way/to/{rank}.jpg", "0.90")
        for rank in range(1, count + 1)
    ]


@pytest.mark.parametrize("count", [0, 1, 2, 4, 5, 7, 10, 11])
def test_a_sheet_holds_every_panel(count: int) -> None:
    sheet = contact_sheet("a red cup", panels(count))
    if count:
        # The first line colour fills one frame per panel: as many separate frames as panels.
        marks = (np.asarray(sheet) == COLOURS[0]).all(axis=2).sum()
        one = (np.asarray(contact_sheet("a red cup", panels(1))) == COLOURS[0]).all(axis=2).sum()
        assert marks == count * one
    assert sheet.width * sheet.height >= count * CELL_WIDTH * CELL_HEIGHT


def test_a_sheet_grows_for_long_queries_and_for_warnings() -> None:
    plain = contact_sheet("a red cup", panels(2))
    long = contact_sheet("a red cup " * 40, panels(2))
    warned = contact_sheet("a red cup", panels(2), warnings=["this model knows only emoji scenes"])
    assert long.height > plain.height
    assert warned.height > plain.height
    assert plain.width == long.width == warned.width


def test_a_picture_that_has_vanished_leaves_its_place() -> None:
    gone = [Panel(1, None, [], "gone.jpg", "0.90"), *panels(2)[1:]]
    assert contact_sheet("a red cup", gone).size == contact_sheet("a red cup", panels(2)).size


def test_a_mask_of_any_size_tints_what_it_covers() -> None:
    picture = Picture(np.full((60, 80, 3), 128, dtype=np.uint8), 160, 120)
    mask = np.zeros((12, 16), dtype=bool)
    mask[:, :8] = True
    drawn = np.asarray(draw_boxes(picture, [Mark((100, 20, 150, 100), mask=mask)]))
    assert (drawn[30, 10] != 128).any()
    np.testing.assert_array_equal(drawn[5, 45], [128, 128, 128])
    assert np.abs(drawn[30, 10].astype(int) - 128).max() < 128


def test_an_ellipse_is_drawn_where_it_is_and_turned_as_it_is() -> None:
    """Half axes 80 and 20, turned by 30 degrees towards the bottom, on a picture reduced by half."""
    angle = np.pi / 6
    ellipse = Ellipse((200, 150), (80, 20), angle)
    picture = grey(200, 150, original=(400, 300))
    drawn = np.asarray(draw_boxes(picture, [Mark((0, 0, 400, 300), ellipse=ellipse)]))
    red = (drawn == COLOURS[0]).all(axis=2)
    red[:6], red[-6:], red[:, :6], red[:, -6:] = False, False, False, False  # the box
    rows, columns = np.nonzero(red)
    dx, dy = (columns + 0.5) * 2 - 200, (rows + 0.5) * 2 - 150
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    assert len(rows) > 80
    assert np.abs(along).max() == pytest.approx(80, abs=6)
    assert np.abs(across).max() == pytest.approx(20, abs=6)
    assert (np.hypot(along / 80, across / 20) > 0.6).all()
