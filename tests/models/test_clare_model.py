"""The model object over a checkpoint folder, random weights: loading, batching, boxes, the exported text branch."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from reir.errors import CalibrationError, UsageError
from reir.models import CALIBRATION_FILE, Calibration, load_model
from reir.models.clare.builder import build_clare
from reir.models.clare.checkpoint import network_config, save_checkpoint_folder
from reir.models.clare.config import TINY
from reir.models.clare.model import ClareModel
from reir.protocols import Model
from reir.text import WordTokenizer
from reir.types import Picture

WORDS = ["the", "red", "blue", "dog", "cat", "left", "right", "of", "on", "under", "that", "is", "next", "to"]
SERVING = {"canvases": [[112, 224], [160, 160], [224, 112]], "max_tokens": 64, "min_objectness": 0.0, "nms_iou": 0.7}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("checkpoint")
    tokenizer = WordTokenizer.from_words(WORDS)
    network = build_clare(TINY, vocabulary_size=tokenizer.vocabulary_size).eval()
    save_checkpoint_folder(path, network, TINY, tokenizer, serving=SERVING, notice="random", card="# random")
    return path


@pytest.fixture(scope="module")
def model(folder):
    return ClareModel(folder, name="clare:random", device="cpu")


def pictures(count: int) -> list[Picture]:
    rng = np.random.default_rng(0)
    shapes = [(100, 200), (150, 150), (200, 90), (64, 130)]
    result = []
    for i in range(count):
        height, width = shapes[i % len(shapes)]
        coarse = rng.integers(0, 255, (height // 10, width // 10, 3), dtype=np.uint8)
        result.append(Picture(np.repeat(np.repeat(coarse, 10, 0), 10, 1), 10 * width, 10 * height))
    return result


def random_expressions(count: int) -> list[str]:
    rng = np.random.default_rng(1)
    return [" ".join(rng.choice(WORDS, rng.integers(1, 20))) for _ in range(count)]


def test_a_checkpoint_is_named_by_its_whole_path(folder, monkeypatch):
    """An index keeps the name, and may be searched from another working folder."""
    monkeypatch.chdir(folder.parent)
    found = load_model(f"clare:{folder.name}", device="cpu")
    assert found.identity.name == f"clare:{folder}"
    monkeypatch.chdir("/")
    assert load_model(found.identity.name, device="cpu").identity == found.identity


def test_it_is_a_model(model):
    assert isinstance(model, Model)
    assert model.identity.dimension == TINY.embedding
    assert model.notice == "random"


def test_boxes_lie_in_the_original_and_vectors_have_length_one(model):
    for picture, instances in zip(pictures(4), model.extract(pictures(4)), strict=True):
        assert 1 <= len(instances) <= TINY.queries
        assert (instances.boxes[:, 2:] >= instances.boxes[:, :2]).all()
        assert instances.boxes.min() >= 0
        assert instances.boxes[:, 2].max() <= picture.width
        assert instances.boxes[:, 3].max() <= picture.height
        assert (np.diff(instances.objectness) <= 0).all()
        np.testing.assert_allclose(np.linalg.norm(instances.vectors, axis=1), 1, atol=1e-4)


def test_a_batch_of_mixed_shapes_equals_single_pictures(model):
    batch = pictures(6)
    for together, picture in zip(model.extract(batch), batch, strict=True):
        (alone,) = model.extract([picture])
        assert len(together) == len(alone)
        np.testing.assert_allclose(together.objectness, alone.objectness, atol=1e-4)
        np.testing.assert_allclose(together.boxes, alone.boxes, atol=1e-2 * max(picture.width, picture.height))
        np.testing.assert_allclose(together.vectors, alone.vectors, atol=1e-3)


def test_a_crop_is_searched_by_its_best_instance(model):
    picture = pictures(1)[0]
    np.testing.assert_allclose(model.encode_images([picture])[0], model.extract([picture])[0].vectors[0], atol=1e-5)


@pytest.mark.parametrize("batch", [1, 64])
def test_exported_text_branch_equals_torch(model, batch):
    texts = random_expressions(128)
    ids, mask = model._tokenizer.encode(texts)
    with torch.inference_mode():
        expected = model._network.encode_text(torch.from_numpy(ids), torch.from_numpy(mask)).embedding.numpy()
    got = np.concatenate([model.encode(texts[i : i + batch]) for i in range(0, len(texts), batch)])
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_sizes_survive_the_folder(model):
    assert network_config(model._config["network"]) == TINY


def test_no_expressions(model):
    assert model.encode([]).shape == (0, TINY.embedding)
    assert model.extract([]) == []


def test_unknown_words_are_told(model):
    assert model.text_warnings("the red zebra") == ["clare:random does not know: zebra"]
    assert model.text_warnings("the red dog") == []


def test_the_share_of_words_that_are_read(model):
    assert model.share_read("the red zebra") == 1 / 2
    assert model.share_read("The red dog, left of a cat!") == 1
    assert model.share_read("the") == 0
    assert model.share_read("zebra xylophone") == 0
    assert model.share_read(" ".join(["red"] * 80)) == pytest.approx(64 / 80)
    assert model.share_read("") == 0


def test_a_calibration_is_that_of_the_folder_and_of_these_weights_only(folder, model, tmp_path):
    assert model.calibration is None
    copy = shutil.copytree(folder, tmp_path / "copy")
    fingerprint = model.identity.fingerprint
    calibration = Calibration(fingerprint, 30, -0.6, -5, 40, 0.36, threshold=0.3)
    calibration.save(copy / CALIBRATION_FILE)
    calibrated = ClareModel(copy, name="clare:random")
    assert calibrated.calibration == calibration
    assert calibrated.identity == model.identity  # indexes stay valid
    replace(calibration, fingerprint="other weights").save(copy / CALIBRATION_FILE)
    assert ClareModel(copy, name="clare:random").calibration is None
    (copy / CALIBRATION_FILE).write_text("{")
    with pytest.raises(CalibrationError, match="reir models calibrate"):
        _ = ClareModel(copy, name="clare:random").calibration


def test_fingerprint_changes_with_weights_and_serving(folder, model, tmp_path):
    description = json.loads((folder / "config.json").read_text())
    for key, value in (("serving", {**SERVING, "nms_iou": 0.5}), ("sha256", {"model.safetensors": "0" * 64})):
        (tmp_path / "config.json").write_text(json.dumps({**description, key: value}))
        assert ClareModel(tmp_path, name="clare:random").identity.fingerprint != model.identity.fingerprint


def test_other_weights_than_recorded_are_refused(folder, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with (tmp_path / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    with pytest.raises(UsageError, match=r"model\.safetensors"):
        ClareModel(tmp_path, name="clare:x").extract(pictures(1))


def test_a_folder_that_is_no_checkpoint(tmp_path):
    with pytest.raises(UsageError, match=r"no config\.json"):
        ClareModel(tmp_path, name="clare:x")


def test_encoding_needs_no_torch(folder):
    code = (
        "import sys; from pathlib import Path; from reir.models.clare.model import ClareModel;"
        f"ClareModel(Path({str(folder)!r}), name='x').encode(['the red dog']);"
        "assert not {'torch', 'transformers', 'open_clip'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
