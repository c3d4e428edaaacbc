"""Masks and boxes of VATEX for hits: which mask a hit takes, the second look, and what is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reir import Gallery
from reir.errors import UsageError
from reir.geometry import paired_iou
from reir.geometry.masks import decode_rle
from reir.models.vatex.masks import QueryMasks
from reir.rerank import Look, NetworkStage, PictureLook, list_stages, load_stage, run_stage
from reir.rerank.vatex import enlarged, moved
from reir.types import Box, Hit, Instances, Picture
from tests.grid_colour_model import GridColourModel
from tests.models.vatex.trained_vatex import SCENES, SIDE, scene_mask, scene_picture, scene_pixels, trained_vatex

RED, BLUE = SCENES[0]["red"], SCENES[0]["blue"]
MODEL = GridColourModel()


@pytest.fixture(scope="module")
def name() -> str:
    return f"vatex:{trained_vatex()}"


def hit(box: Box, number: int = 0) -> Hit:
    return Hit(number + 1, 0.5, 0, "scene.png", SIDE, SIDE, box, 1.0, number)


def hits(*boxes: Box) -> list[Hit]:
    return [hit(box, number) for number, box in enumerate(boxes)]


def look_at(picture: Picture, boxes: Sequence[Box]) -> Look:
    array = np.array(boxes, dtype=np.float32).reshape(-1, 4)
    instances = Instances(array, np.ones(len(boxes), np.float32), np.zeros((len(boxes), 3), np.float32))
    return PictureLook(lambda side: picture, instances, MODEL)


def look(stage, expression: str, *boxes: Box, seconds: float = 60.0) -> list[Hit]:
    given = hits(*boxes)
    return list(run_stage(stage, expression, given, look_at(scene_picture(0), boxes), seconds=seconds).hits)


def test_it_has_two_kinds_under_one_name(name: str) -> None:
    kinds = [entry.kind for entry in list_stages() if entry.name == "vatex"]
    assert sorted(kinds) == ["mask", "refine"]
    for kind in kinds:
        stage = load_stage(name, kind, device="cpu")
        assert (stage.name, stage.kind) == ("vatex", kind)
        assert isinstance(stage, NetworkStage)
        assert stage.decode_side == 2 * SIDE
        stage.check(MODEL)
    with pytest.raises(UsageError, match="--mask vatex:FOLDER"):
        load_stage("vatex", "mask")
    with pytest.raises(UsageError, match="no checkpoint of VATEX"):
        load_stage("vatex:/no/such/folder", "refine")
    with pytest.raises(UsageError, match="fit must be a number"):
        load_stage(f"{name},fit=2", "mask")


def test_a_hit_gets_the_mask_that_fits_it(name: str) -> None:
    near = (3.0, 10.0, 28.0, 34.0)
    (found,) = look(load_stage(name, "mask", device="cpu"), "the red block", near)
    assert found.mask is not None
    mask, truth = decode_rle(found.mask), scene_mask(RED)
    assert mask.shape == (SIDE, SIDE)
    assert (mask & truth).sum() / (mask | truth).sum() > 0.8
    assert paired_iou([found.box], [RED])[0] > 0.8 > paired_iou([near], [RED])[0]
    note = found.stages["vatex"]
    assert note["box_before"] == list(near)
    assert note["looks"] == 1
    assert note["fit"] > 0.5
    assert note["probability"] > 0.5
    assert note["area"] == pytest.approx(mask.mean(), abs=1e-6)
    assert (found.score, found.rank, found.instance_id) == (0.5, 1, 0)


def test_refining_gives_the_same_box_and_no_mask(name: str) -> None:
    near = (3.0, 10.0, 28.0, 34.0)
    (box_only,) = look(load_stage(name, "refine", device="cpu"), "the red block", near)
    (masked,) = look(load_stage(name, "mask", device="cpu"), "the red block", near)
    assert box_only.mask is None
    assert box_only.box == masked.box
    assert "area" not in box_only.stages["vatex"]


def test_a_hit_that_no_mask_fits_stays_as_it_is(name: str) -> None:
    corner = (60.0, 0.0, 64.0, 4.0)
    first, last = look(load_stage(f"{name},fit=0.6", "mask", device="cpu"), "the red block", corner, RED)
    assert first.box == corner
    assert first.mask is None
    assert first.stages["vatex"]["why"] == "no mask fits the box"
    assert first.stages["vatex"]["fit"] < 0.6
    assert last.mask is not None


def test_without_a_least_fit_the_network_s_own_answer_is_taken(name: str) -> None:
    (found,) = look(load_stage(f"{name},fit=0", "refine", device="cpu"), "the red block", BLUE)
    assert paired_iou([found.box], [RED])[0] > 0.8
    assert found.stages["vatex"]["fit"] == pytest.approx(0.0, abs=0.05)


def test_several_hits_of_several_pictures_are_as_alone(name: str) -> None:
    boxes = (RED, (4.0, 8.0, 24.0, 30.0), BLUE)
    stage = load_stage(name, "mask", device="cpu")
    together = look(stage, "the red block", *boxes)
    for box, found in zip(boxes, together, strict=True):
        (alone,) = look(load_stage(name, "mask", device="cpu"), "the red block", box)
        assert found.box == pytest.approx(alone.box)
        assert found.mask == alone.mask


def test_out_of_time_one_batch_is_answered(name: str) -> None:
    stage = load_stage(name, "mask", device="cpu")
    stage.prepare()  # type: ignore[attr-defined]
    boxes = (RED, (60.0, 0.0, 64.0, 4.0))
    view = look_at(scene_picture(0), boxes)
    view.out_of_time = lambda: True
    first, second = stage.look("the red block, out of time", hits(*boxes), view)
    assert first.mask is not None or "why" in first.stages["vatex"]
    assert second.stages["vatex"]["why"] == "out of time"


def test_the_closer_look_is_at_the_box_with_room_around_it() -> None:
    pixels = np.arange(100 * 200 * 3, dtype=np.uint32).reshape(100, 200, 3).astype(np.uint8)
    picture = Picture(pixels, 400, 200)
    part, window = enlarged(picture, (100.0, 40.0, 140.0, 80.0))
    assert window == (80.0, 20.0, 160.0, 100.0)
    assert (part.width, part.height) == (80, 80)
    assert np.array_equal(part.pixels, pixels[10:50, 40:80])
    for box in ((0.0, 0.0, 10.0, 10.0), (398.0, 198.0, 400.0, 200.0), (399.9, 0.0, 400.0, 200.0)):
        part, window = enlarged(picture, box)
        assert min(part.pixels.shape[:2]) >= 1
        assert 0 <= window[0] < window[2] <= 400
        assert 0 <= window[1] < window[3] <= 200


def test_an_answer_about_a_part_is_moved_to_its_place() -> None:
    logits = np.full((1, 8, 8), -5, dtype=np.float32)
    logits[0, 2:6, 2:6] = 5
    answer = moved(QueryMasks(np.ones(1, np.float32), logits, (0.0, 0.0, 80.0, 80.0)), (80.0, 20.0, 160.0, 100.0))
    assert answer.boxes == [(100.0, 40.0, 140.0, 80.0)]
    mask = answer.mask(0, 400, 200, original=(400, 200))
    assert mask[60, 120]
    assert mask.sum() == pytest.approx(1600, rel=0.15)


def test_masks_are_of_the_size_of_the_original(name: str) -> None:
    large = replace(hit(tuple(side * 10 for side in RED)), width=SIDE * 10, height=SIDE * 10)  # type: ignore[arg-type]
    reduced = Picture(scene_picture(0).pixels, SIDE * 10, SIDE * 10)
    stage = load_stage(name, "mask", device="cpu")
    (found,) = stage.look("the red block", [large], look_at(reduced, [large.box]))
    assert found.mask is not None
    assert found.mask["size"] == [SIDE * 10, SIDE * 10]
    assert paired_iou([found.box], [large.box])[0] > 0.8


def test_in_a_search_of_a_gallery(name: str, tmp_path: Path) -> None:
    for number, scene in enumerate(SCENES):
        Image.fromarray(scene_pixels(scene, scale=3)).save(tmp_path / f"{number}.png")
    with Gallery.create(tmp_path, model=GridColourModel()) as gallery:
        gallery.add([tmp_path], workers=0)
        for number, colour in ((0, "red"), (0, "blue"), (1, "green")):
            plain = gallery.search(f"the {colour} block", top=1, flat=True)
            result = gallery.search(f"the {colour} block", top=1, flat=True, refine=name, mask=name)
            found = result.hits[0]
            truth = [side * 3 for side in SCENES[number][colour]]
            assert found.path == f"{number}.png"
            assert paired_iou([plain.hits[0].box], [truth])[0] < 0.6
            assert paired_iou([found.box], [truth])[0] > 0.8
            assert found.mask is not None
            mask = decode_rle(found.mask)
            assert mask.shape == (found.height, found.width) == (3 * SIDE, 3 * SIDE)
            inside = np.kron(scene_mask(SCENES[number][colour]), np.ones((3, 3), dtype=bool)).astype(bool)
            assert (mask & inside).sum() / (mask | inside).sum() > 0.8
            assert result.timings_ms["vatex"] > 0
            assert result.warnings == plain.warnings


def test_a_retrained_folder_is_another_network(name: str, tmp_path: Path) -> None:
    from reir.models.vatex.segmenter import find_segmenter

    folder = trained_vatex()
    assert find_segmenter(folder, "cpu") is find_segmenter(folder, "cpu")
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    first = find_segmenter(copy, "cpu")
    config = copy / "config.json"
    config.write_text(config.read_text().replace('"notice": null', '"notice": "again"'))
    assert find_segmenter(copy, "cpu") is not first
    assert find_segmenter(copy, "cpu").notice == "again"
