from pathlib import Path

import pytest
import torch

from reir.data import load_dataset
from reir.errors import DatasetError
from reir.training.referring.pictures import batch_rows, read_pixels, referred_pictures, steps_per_epoch


def test_expressions_of_one_object_stand_together(rectangles: Path) -> None:
    pictures = referred_pictures(load_dataset(rectangles))
    assert len(pictures) == 8
    for picture in pictures:
        assert len(picture.boxes) == len(picture.expressions) == 2
        assert [texts[1] for texts in picture.expressions] == ["rectangle on the left", "rectangle on the right"]
    assert len(referred_pictures(load_dataset(rectangles), limit=3)) == 3


def test_boxes_follow_reduced_pixels(rectangles: Path) -> None:
    picture = referred_pictures(load_dataset(rectangles))[0]
    whole, boxes = read_pixels(picture, max_side=200)
    reduced, smaller = read_pixels(picture, max_side=64)
    assert whole.shape == (3, 96, 128)
    assert reduced.shape == (3, 48, 64)
    torch.testing.assert_close(boxes, torch.tensor(picture.boxes))
    torch.testing.assert_close(smaller, boxes / 2)
    x0, y0, x1, y1 = (int(value) for value in boxes[0])
    inside = whole[:, y0:y1, x0:x1].reshape(3, -1)
    assert (inside.max(dim=1).values == inside.min(dim=1).values).all()


def test_missing_pictures_are_told_with_what_to_do(rectangles: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"there is no picture .*0\.png\. Name their folder: --set data\.images"):
        referred_pictures(load_dataset(rectangles, images=tmp_path))


def test_each_epoch_sees_every_picture_once_in_its_own_order() -> None:
    assert steps_per_epoch(10, 4) == 3
    epochs = [[batch_rows(10, size=4, seed=5, step=3 * epoch + step) for step in range(3)] for epoch in range(2)]
    for epoch in epochs:
        assert [len(rows) for rows in epoch] == [4, 4, 2]
        assert sorted(row for rows in epoch for row in rows) == list(range(10))
    assert epochs[0] != epochs[1]
    assert batch_rows(10, size=4, seed=6, step=0) != epochs[0][0]
