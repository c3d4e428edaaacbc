"""Every command on the pretrained backends, given as folders of small random networks of the libraries themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from reir.cli.app import run
from reir.geometry.masks import decode_rle
from tests.cli.conftest import Done
from tests.imaging.orientations import STORED_AS, with_orientation
from tests.models.detector_clip.tiny_detector import noise_picture, save_tiny_model
from tests.models.owl.tiny_owl import NAMES, make_owl_folder
from tests.models.sam_clip.tiny_sam import LOOSE, save_tiny_parts

SIZES = [(200, 150), (150, 200), (180, 180), (240, 120)]


def sam_clip(folder: Path) -> str:
    return f"sam-clip:{save_tiny_parts(folder, captioner='blip')},{LOOSE}"


MODELS: dict[str, Callable[[Path], str]] = {
    "owlvit": lambda folder: f"{NAMES['owlvit']}:{make_owl_folder(folder, 'owlvit')}",
    "owlv2": lambda folder: str(make_owl_folder(folder, "owlv2")),
    "rcnn-clip": lambda folder: f"rcnn-clip:{save_tiny_model(folder, settings={'score': 0})}",
    "rpn-clip": lambda folder: f"rpn-clip:{save_tiny_model(folder, kind='rpn-clip')}",
    "sam-clip": sam_clip,
}


@pytest.fixture
def reir(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Done]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def call(*arguments: str | Path) -> Done:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        return Done(code, *capsys.readouterr())

    return call


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four pictures of different shapes, one stored turned, and expressions for boxes in them."""
    folder = tmp_path / "photos"
    folder.mkdir()
    images, annotations = [], []
    for number, (width, height) in enumerate(SIZES):
        image = Image.fromarray(noise_picture(number, width=width, height=height).pixels)
        path = folder / f"{number}.jpg"
        if number == 3:
            image.transpose(STORED_AS[6]).save(path, exif=with_orientation(6))
        else:
            image.save(path)
        images.append({"id": number, "file_name": path.name, "width": width, "height": height})
        box = [10, 20, width // 2, height // 2]
        annotations.append({"id": number, "image_id": number, "bbox": box, "expressions": [f"thing number {number}"]})
    (tmp_path / "refs.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    return folder


def inside(hit: dict[str, Any]) -> bool:
    x0, y0, x1, y1 = hit["box"]
    return 0 <= x0 < x1 <= hit["width"] and 0 <= y0 < y1 <= hit["height"]


@pytest.mark.parametrize("kind", MODELS)
def test_a_local_model_serves_every_command(reir: Callable[..., Done], photos: Path, tmp_path: Path, kind: str) -> None:
    model = MODELS[kind](tmp_path / "model")
    made = reir("index", photos, "--model", model, "--workers", "0", "--json")
    assert made.code == 0, made.err
    assert made.json["new"] == 4
    assert made.json["model"].split(":")[0] == NAMES.get(kind, kind)
    db = photos / ".reir"

    found = reir("search", "a red box left of a blue one", "--db", db, "--json", "--flat", "--top", "20")
    assert found.code == 0, found.err
    hits = found.json["hits"]
    assert hits
    assert all(map(inside, hits))
    assert {(hit["width"], hit["height"]) for hit in hits} <= set(SIZES)
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    again = reir("search", "a red box left of a blue one", "--db", db, "--json", "--flat", "--top", "20")
    assert again.json["hits"] == hits

    sheet = reir("search", "red", "--db", db, "--sheet", tmp_path / "sheet.png", "--save", tmp_path / "saved")
    assert sheet.code == 0, sheet.err
    assert Image.open(tmp_path / "sheet.png").width > 500
    crop = tmp_path / "crop.png"
    Image.open(photos / "0.jpg").crop((20, 20, 90, 90)).save(crop)
    assert reir("search", "--image", crop, "--db", db, "--json").json["hits"]

    measured = reir("eval", tmp_path / "refs.json", "--db", db, "--json")
    assert measured.code == 0, measured.err
    assert measured.json["queries"] == 4
    told = reir("info", "--db", db, "--json").json
    assert told["model"]["name"] == made.json["model"]
    assert reir("index", photos, "--json").json["unchanged"] == 4


def test_stages_and_blends_of_region_proposals(reir: Callable[..., Done], photos: Path, tmp_path: Path) -> None:
    model = MODELS["rpn-clip"](tmp_path / "model")
    assert reir("index", photos, "--model", model, "--workers", "0").code == 0
    search = ("search", "a red box", "--db", photos / ".reir", "--json", "--flat", "--top", "5")
    plain = reir(*search).json["hits"]
    objectness = reir(*search, "--blend", "lambda=0").json["hits"]
    best = [hit["objectness"] for hit in objectness]
    assert best == sorted(best, reverse=True)
    assert [hit["score"] for hit in objectness] == pytest.approx(best, abs=1e-3)
    assert plain != objectness
    staged = reir(*search, "--rerank", "templates", "--refine", "box-search", "--stage-top", "8").json
    assert {"templates", "box-search"} <= set(staged["timings_ms"])
    for hit in staged["hits"]:
        assert inside(hit)
        assert hit["stages"]["box-search"]["score"] >= hit["stages"]["box-search"]["score_before"]
    wrong = reir(*search, "--blend", "alpha=1")
    assert wrong.code == 2
    assert "it has lambda" in wrong.err
    staged_figures = reir("eval", tmp_path / "refs.json", "--db", photos / ".reir", "--rerank", "templates", "--json")
    assert staged_figures.json["stages"] == ["templates"]


def test_masks_of_sam_lie_in_their_boxes(reir: Callable[..., Done], photos: Path, tmp_path: Path) -> None:
    assert reir("index", photos, "--model", MODELS["sam-clip"](tmp_path / "model"), "--workers", "0").code == 0
    search = ("search", "a red box", "--db", photos / ".reir", "--json", "--mask", "stored", "--blend", "alpha=0.5")
    hits = reir(*search, "--sheet", tmp_path / "sheet.png").json["hits"]
    for hit in hits:
        mask = decode_rle(hit["mask"])
        assert mask.shape == (hit["height"], hit["width"])
        rows, columns = np.nonzero(mask)
        x0, y0, x1, y1 = hit["box"]
        assert x0 - 2 <= columns.min() <= columns.max() <= x1 + 1
        assert y0 - 2 <= rows.min() <= rows.max() <= y1 + 1
