"""``--mask sam``: parity with transformers' own SAM asked with boxes, in galleries and on one picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import reir
from reir import Gallery
from reir.errors import UsageError, WeightsMissingError
from reir.geometry.masks import decode_rle
from reir.imaging import decode_picture
from reir.models.sam_clip.prompted import BoxPrompter, find_sam
from reir.rerank import load_stage
from tests.grid_colour_model import GridColourModel
from tests.models.sam_clip.conftest import demo_files, pixels_of
from tests.models.sam_clip.tiny_sam import SIDE, save_tiny_captioner, save_tiny_sam
from tests.search.galleries import paint


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_sam(tmp_path_factory.mktemp("sam"), seed=3)


def reference(folder: Path, pixels: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Masks and predicted IoUs as the library's processor and model give them."""
    import torch
    from transformers import SamModel, SamProcessor

    model, processor = SamModel.from_pretrained(folder).eval(), SamProcessor.from_pretrained(folder)
    inputs = processor(images=Image.fromarray(pixels), input_boxes=[boxes.tolist()], return_tensors="pt")
    with torch.inference_mode():
        outputs = model(pixel_values=inputs["pixel_values"], input_boxes=inputs["input_boxes"].float())
    masks = processor.image_processor.post_process_masks(
        outputs.pred_masks, inputs["original_sizes"], inputs["reshaped_input_sizes"]
    )[0].numpy()
    scores = outputs.iou_scores[0].numpy()
    best = scores.argmax(1)
    return masks[np.arange(len(boxes)), best], scores.max(1)


@pytest.mark.parametrize(("number", "step"), [(0, 1), (1, 3), (2, 2)])
def test_masks_are_those_of_the_library(folder: Path, number: int, step: int) -> None:
    pixels = np.ascontiguousarray(pixels_of(demo_files(3)[number])[::step, ::step])
    height, width = pixels.shape[:2]
    rng = np.random.default_rng(number)
    corners = np.sort(rng.uniform(0, 1, (40, 2, 2)), axis=1).reshape(40, 4) * ([width, height] * 2)
    boxes = corners.astype(np.float32)
    prompter = BoxPrompter(find_sam(str(folder)), device="cpu")
    masks, scores = prompter.segment(pixels, boxes)
    wanted, wanted_scores = reference(folder, pixels, boxes)
    assert masks.shape == (40, height, width)
    np.testing.assert_allclose(scores, np.clip(wanted_scores, 0, 1), atol=1e-4)
    assert (masks == wanted).mean() > 0.9999
    assert 0.001 < masks.mean() < 0.9
    again, _ = prompter.segment(pixels, boxes[7:9])  # the picture is remembered; a part is as the whole
    assert (again == masks[7:9]).mean() > 0.9999
    none, no_scores = prompter.segment(pixels, boxes[:0])
    assert (none.shape, no_scores.shape) == ((0, height, width), (0,))


def test_hits_get_masks_at_the_size_of_their_pictures(folder: Path, tmp_path: Path) -> None:
    names = ("a.png", "b.png", "c.png")
    for name, colours in zip(names, (("red", "green", "blue", "dark"), ("blue", "red", "dark", "green")), strict=False):
        paint(tmp_path / name, colours, (300, 180))
    with Gallery.create(tmp_path, model=GridColourModel()) as gallery:
        gallery.add([tmp_path], workers=0)
        hits = gallery.search("red", top=10, mask=f"sam:{folder}").hits
        assert len({hit.path for hit in hits}) == 2
        stage = load_stage(f"sam:{folder}", "mask", device="cpu")
        assert stage.decode_side == SIDE  # type: ignore[attr-defined]
        masked = 0
        for hit in hits:
            note = hit.stages["sam"]
            assert 0 <= note["predicted_iou"] <= 1
            if hit.mask is None:
                assert note["why"] == "SAM finds nothing in the box"
                continue
            masked += 1
            mask = decode_rle(hit.mask)
            assert mask.shape == (180, 300)
            assert mask.mean() == pytest.approx(note["area"], abs=0.02)
        assert masked > 2
        example = gallery.like(hits[0].instance_id, top=2, mask=f"sam:{folder}")  # needs no expression
        assert "sam" in example.hits[0].stages


def test_it_follows_ground(folder: Path, tmp_path: Path) -> None:
    paint(tmp_path / "a.png", ("red", "green", "blue", "dark"), (300, 180))
    (hit,) = reir.ground(tmp_path / "a.png", "blue", model=GridColourModel(), mask=f"sam:{folder}").hits
    prompter = BoxPrompter(find_sam(str(folder)), device="cpu")
    picture = decode_picture(tmp_path / "a.png", max_side=max(SIDE, GridColourModel().decode_side)).picture
    height, width = picture.pixels.shape[:2]
    box = (np.array([hit.box]) * ([width / 300, height / 180] * 2)).astype(np.float32)
    (mask,), (score,) = prompter.segment(picture.pixels, box)
    assert hit.stages["sam"]["predicted_iou"] == pytest.approx(float(score), abs=1e-3)
    assert hit.stages["sam"]["area"] == pytest.approx(float(mask.mean()), abs=1e-3)


def test_precision_is_an_option(folder: Path) -> None:
    pixels = pixels_of(demo_files(1)[0])
    box = np.array([[20, 20, 200, 160]], dtype=np.float32)
    _, exact = BoxPrompter(find_sam(str(folder)), device="cpu", precision="float32").segment(pixels, box)
    _, rough = BoxPrompter(find_sam(str(folder)), device="cpu", precision="bfloat16").segment(pixels, box)
    assert exact[0] != rough[0]
    assert rough[0] == pytest.approx(exact[0], abs=0.1)


@pytest.mark.parametrize(
    ("name", "repository"),
    [("sam", "facebook/sam-vit-base"), ("sam:huge", "facebook/sam-vit-huge"), ("sam:an-owner/a-sam", "an-owner/a-sam")],
)
def test_without_weights_it_says_at_once_what_to_do(name: str, repository: str) -> None:
    with pytest.raises(WeightsMissingError, match=f"reir models download {repository}"):
        load_stage(name, "mask").check(GridColourModel())


def test_what_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        load_stage(f"sam:{tmp_path / 'nowhere'}", "mask").check(GridColourModel())
    captioner = save_tiny_captioner(tmp_path / "captioner", "blip")
    with pytest.raises(UsageError, match="kind 'blip'"):
        load_stage(f"sam:{captioner}", "mask").check(GridColourModel())
    with pytest.raises(UsageError, match="precision"):
        load_stage("sam:precision=float8", "mask")
    with pytest.raises(UsageError, match="--mask sam"):
        load_stage("sam", "refine")
