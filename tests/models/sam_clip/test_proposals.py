"""SAM's masks beside those of transformers' own pipeline for mask generation, on the same pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reir.errors import UsageError
from reir.models.sam_clip.parts import SAM_TYPES, Network
from reir.models.sam_clip.proposals import Proposer
from reir.models.sam_clip.settings import Settings
from reir.types import Array
from tests.models.sam_clip.conftest import demo_files, pixels_of

LOOSE = Settings(iou=0.5, stability=0.1, top=1000)


@pytest.fixture(scope="module")
def network(parts: Path) -> Network:
    return Network.find(str(parts / "sam"), SAM_TYPES, option="sam")


@pytest.fixture(scope="module")
def pipeline(parts: Path) -> Any:
    import transformers

    return transformers.pipeline("mask-generation", model=str(parts / "sam"), device="cpu")


def by_the_pipeline(pipeline: Any, pixels: Array, settings: Settings) -> Any:
    return pipeline(
        Image.fromarray(pixels),
        points_per_crop=settings.points,
        pred_iou_thresh=settings.iou,
        stability_score_thresh=settings.stability,
        crops_nms_thresh=settings.nms,
        output_bboxes_mask=True,
    )


def pictures() -> list[Array]:
    """Wide, tall, square, smaller and larger than what SAM sees."""
    wide, second, third = (pixels_of(file)[::2, ::2] for file in demo_files(3))
    return [wide, np.rot90(wide).copy(), second[:120, :120], third[::6, ::5]]


@pytest.mark.parametrize(
    "settings",
    [LOOSE, replace(LOOSE, points=5, nms=0.5), replace(LOOSE, iou=0.7, stability=0.3), replace(LOOSE, iou=0.0)],
    ids=["loose", "few points", "stricter", "no threshold"],
)
def test_masks_boxes_and_scores_are_the_pipelines(network: Network, pipeline: Any, settings: Settings) -> None:
    proposer = Proposer(network, settings, device="cpu")
    total = 0
    for pixels in pictures():
        found, wanted = proposer.propose(pixels), by_the_pipeline(pipeline, pixels, settings)
        rows = [row for row, mask in enumerate(wanted["masks"]) if np.asarray(mask).any()]
        assert len(found) == len(rows)
        total += len(found)
        np.testing.assert_allclose(found.objectness, np.clip(wanted["scores"].numpy()[rows], 0, 1), atol=1e-5)
        for place, row in enumerate(rows):
            mask = np.asarray(wanted["masks"][row])
            # Points go through in other batches, so that a logit of nearly 0 may fall on the other side.
            assert (found.masks[place] != mask).mean() < 1e-3
            x0, y0, x1, y1 = wanted["bounding_boxes"][row].tolist()
            np.testing.assert_allclose(found.boxes[place], [x0, y0, x1 + 1, y1 + 1], atol=1)
    assert total > 20


def test_a_box_is_the_border_of_its_mask(network: Network) -> None:
    found = Proposer(network, LOOSE, device="cpu").propose(pictures()[0])
    assert len(found) > 3
    for mask, box in zip(found.masks, found.boxes, strict=True):
        rows, columns = np.nonzero(mask)
        assert box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_the_best_are_kept_best_first(network: Network) -> None:
    pixels = pictures()[0]
    every, few = (Proposer(network, replace(LOOSE, top=top), device="cpu").propose(pixels) for top in (1000, 4))
    assert len(every) > len(few) == 4
    assert (np.diff(every.objectness) <= 0).all()
    np.testing.assert_array_equal(few.masks, every.masks[:4])
    np.testing.assert_array_equal(few.boxes, every.boxes[:4])


def test_a_picture_without_masks(network: Network) -> None:
    found = Proposer(network, replace(LOOSE, iou=1.0, stability=1.0), device="cpu").propose(pictures()[0])
    assert found.masks.shape == (0, *pictures()[0].shape[:2])
    assert found.boxes.shape == (0, 4)
    assert found.objectness.shape == (0,)


def test_damaged_weights(network: Network, tmp_path: Path) -> None:
    for file in network.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="cannot be loaded"):
        Proposer(replace(network, folder=tmp_path), LOOSE, device="cpu")


def test_weights_of_another_network(network: Network, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    for file in network.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    save_file({"other.weight": np.zeros(3, dtype=np.float32)}, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(UsageError, match="not those of SamModel"):
        Proposer(replace(network, folder=tmp_path), LOOSE, device="cpu")
