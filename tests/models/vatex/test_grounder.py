"""The grounder: a network of random weights answers, and one that has learned two pictures finds their things."""

from __future__ import annotations

import numpy as np
import pytest

from reir.errors import UsageError
from reir.geometry import paired_iou
from reir.models.grounders import list_grounders, load_grounder
from reir.protocols import Grounder
from reir.types import Picture
from tests.models.vatex.tiny_vatex import save_tiny_vatex, with_tower
from tests.models.vatex.trained_vatex import SCENES, scene_mask, scene_picture, scene_pixels, trained_vatex

QUESTIONS = [(number, colour, box) for number, scene in enumerate(SCENES) for colour, box in scene.items()]


def test_it_is_known_by_name():
    assert "vatex" in [entry.name for entry in list_grounders()]
    with pytest.raises(UsageError, match="--grounder vatex:FOLDER"):
        load_grounder("vatex")
    with pytest.raises(UsageError, match="no checkpoint of VATEX"):
        load_grounder("vatex:/no/such/folder")
    with pytest.raises(UsageError, match="no option"):
        load_grounder("vatex:/no/such/folder,steps=3")


def test_a_network_of_random_weights_answers(tmp_path):
    folder = save_tiny_vatex(tmp_path / "made", with_tower(tmp_path / "clip"))
    grounder: Grounder = load_grounder(f"vatex:{folder}", device="cpu")
    sizes = ((50, 80), (80, 50), (200, 20), (64, 64), (50, 80))
    pictures = [Picture(np.full((h, w, 3), 60 * i, np.uint8), 3 * w, 3 * h) for i, (w, h) in enumerate(sizes)]
    texts = ["the red dog", "far left", "", "a cat", "dog"]
    together = grounder.ground(list(zip(pictures, texts, strict=True)))
    for picture, text, found in zip(pictures, texts, together, strict=True):
        x0, y0, x1, y1 = found.box
        assert 0 <= x0 < x1 <= picture.width
        assert 0 <= y0 < y1 <= picture.height
        assert 0 <= found.score <= 1
        assert found.mask is not None
        assert found.mask.shape == picture.pixels.shape[:2]
        assert found.notes["rolled_back"] == (text in ("far left", ""))
    assert together[0].notes["object"] == "the red dog"
    assert grounder.ground([]) == []


def test_a_trained_network_finds_each_thing():
    grounder = load_grounder(f"vatex:{trained_vatex()}", device="cpu")
    found = grounder.ground([(scene_picture(number), f"the {colour} block") for number, colour, _ in QUESTIONS])
    for (_, _, box), answer in zip(QUESTIONS, found, strict=True):
        assert paired_iou([answer.box], [box])[0] > 0.8
        truth = scene_mask(box)
        assert answer.mask is not None
        assert (answer.mask & truth).sum() / (answer.mask | truth).sum() > 0.8
        assert answer.score > 0.7


def test_boxes_are_those_of_the_original():
    grounder = load_grounder(f"vatex:{trained_vatex()}", device="cpu")
    number, colour, box = QUESTIONS[0]
    reduced = Picture(scene_pixels(SCENES[number], scale=2), 64 * 10, 64 * 10)
    (answer,) = grounder.ground([(reduced, f"the {colour} block")])
    assert answer.mask is not None
    assert answer.mask.shape == (128, 128)
    assert paired_iou([answer.box], [[side * 10 for side in box]])[0] > 0.8
