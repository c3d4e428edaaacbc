"""Whole pictures as the only instance: what an image-text tower of open_clip says of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from reir.errors import UsageError
from reir.models import ModelSpec, load_model, model_sources
from reir.models.towers import ClipTower
from reir.protocols import Model
from reir.types import Picture
from tests.models.towers.tiny_tower import DIMENSION, save_tiny_tower


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_tower(tmp_path_factory.mktemp("tower"))


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    rng = np.random.default_rng(0)
    return [Picture(rng.integers(0, 256, size, np.uint8), 10 * size[1], 10 * size[0]) for size in SIZES]


SIZES = [(40, 60, 3), (60, 40, 3), (48, 48, 3)]


def test_one_instance_a_picture_the_whole_of_it(folder: Path, pictures: list[Picture]) -> None:
    model = load_model(str(folder), device="cpu")
    assert isinstance(model, Model)
    found = model.extract(pictures)
    assert [instances.boxes.tolist() for instances in found] == [[[0, 0, p.width, p.height]] for p in pictures]
    assert all(instances.objectness.tolist() == [1.0] for instances in found)
    assert model.extract([]) == []
    # open_clip cuts out the middle unless a configuration says otherwise, and so do we.
    tower = ClipTower.load(str(folder), device="cpu", resize_mode="shortest")
    vectors = np.concatenate([instances.vectors for instances in found])
    np.testing.assert_array_equal(vectors, tower.encode_pixels([picture.pixels for picture in pictures]))
    np.testing.assert_array_equal(model.encode(["a red dog"]), tower.encode_texts(["a red dog"]))
    np.testing.assert_array_equal(model.encode_images(pictures), vectors)
    assert model.identity.dimension == DIMENSION
    assert model.identity.name == f"picture-clip:{folder}"


def test_equal_models_have_equal_names_and_fingerprints(folder: Path) -> None:
    plain = load_model(f"picture-clip:{folder}").identity
    assert load_model(f"picture-clip:{folder},resize=own").identity == plain
    squashed = load_model(f"picture-clip:{folder},resize=squash").identity
    assert squashed.name == f"picture-clip:{folder},resize=squash"
    assert squashed.fingerprint != plain.fingerprint
    assert load_model(f"picture-clip:{folder},resize=shortest").identity.fingerprint == plain.fingerprint


def test_the_resize_mode_of_the_configuration_counts(folder: Path, tmp_path: Path, pictures: list[Picture]) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "open_clip_config.json").read_text())
    config["preprocess_cfg"] = {"resize_mode": "squash"}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    own, squashed = (load_model(name, device="cpu") for name in (str(tmp_path), f"picture-clip:{folder},resize=squash"))
    for one, other in zip(own.extract(pictures), squashed.extract(pictures), strict=True):
        np.testing.assert_array_equal(one.vectors, other.vectors)


def test_wrong_options(folder: Path) -> None:
    with pytest.raises(UsageError, match="resize must be one of own, squash"):
        load_model(f"picture-clip:{folder},resize=stretch")
    with pytest.raises(UsageError, match="has no option 'nms'"):
        load_model(f"picture-clip:{folder},nms=0.5")


def test_its_published_weights_are_those_of_the_tower() -> None:
    (source,) = model_sources(ModelSpec("picture-clip"))
    assert source.name == "timm/vit_base_patch32_clip_224.openai"
