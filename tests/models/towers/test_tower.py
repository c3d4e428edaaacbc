"""Towers against open_clip's own functions on the same folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from reir.models.towers import RESIZE_MODES, ClipTower, Preprocess
from reir.models.towers.preprocess import LONG
from tests.models.towers.tiny_tower import CONTEXT, SIDE, save_tiny_eva, save_tiny_siglip, save_tiny_tower

MAKERS = {"clip": save_tiny_tower, "siglip": save_tiny_siglip, "eva": save_tiny_eva}
TEXTS = ["a red dog", "the CAT on the sofa, near a lamp!", "x" * 40, "ünïcödé &amp; signs"]
SHAPES = [(40, 50), (10, 90), (64, 7), (SIDE, SIDE), (1, 1), (200, 131)]


@pytest.fixture(scope="module", params=MAKERS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return MAKERS[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def crops() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in SHAPES]


@torch.inference_mode()
def reference(folder: Path, crops, mode: str) -> np.ndarray:
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}", image_resize_mode=mode)
    pixels = torch.stack([transform(Image.fromarray(crop)) for crop in crops])
    return model.eval().encode_image(pixels, normalize=True).numpy()


@pytest.mark.parametrize("mode", RESIZE_MODES)
def test_crops_are_embedded_as_by_open_clip(folder, crops, mode):
    if mode == "longest":
        crops = [crop for crop in crops if max(crop.shape) < 8 * min(crop.shape[:2])]  # open_clip would scale to 0 px
    got = ClipTower.load(str(folder), device="cpu", resize_mode=mode).encode_pixels(crops)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, reference(folder, crops, mode), atol=1e-6)
    assert len(np.unique(got.round(3), axis=0)) == len(crops)  # random weights that tell crops apart


@pytest.mark.parametrize("shape", [(1, 1500), (1499, 2), (3, 1000)])
@pytest.mark.parametrize("size", [(SIDE, SIDE), (SIDE, SIDE // 2)])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_of_a_long_strip_only_the_middle_is_enlarged(shape, size, interpolation, monkeypatch):
    """It is what open_clip cuts out of the whole, which can be hundreds of megabytes; but for rounding to 8 bits."""
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    whole = open_clip.image_transform(
        size, is_train=False, mean=(0.0,) * 3, std=(1.0,) * 3, resize_mode="shortest", interpolation=interpolation
    )(Image.fromarray(pixels))
    made = []
    resize = Image.Image.resize
    monkeypatch.setattr(
        Image.Image,
        "resize",
        lambda self, sides, *rest, **named: made.append(sides) or resize(self, sides, *rest, **named),
    )
    got = Preprocess(size, interpolation=interpolation, resize_mode="shortest").resize(pixels)
    np.testing.assert_allclose(got, 255 * whole.numpy().transpose(1, 2, 0), atol=1.01)
    assert max(made[0]) <= LONG * SIDE


def test_texts_are_embedded_as_by_open_clip(folder):
    model = open_clip.create_model(f"local-dir:{folder}").eval()
    with torch.inference_mode():
        expected = model.encode_text(open_clip.get_tokenizer(f"local-dir:{folder}")(TEXTS), normalize=True).numpy()
    got = ClipTower.load(str(folder), device="cpu").encode_texts(TEXTS)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_batches_do_not_change_embeddings(folder, crops, monkeypatch):
    monkeypatch.setattr("reir.models.towers.tower.BATCH", 5)
    tower = ClipTower.load(str(folder), device="cpu")
    many = tower.encode_pixels(crops * 2)
    for i, crop in enumerate(crops):
        single = tower.encode_pixels([crop])[0]
        np.testing.assert_allclose(many[i :: len(crops)], np.tile(single, (2, 1)), atol=1e-5)


def test_nothing_gives_no_rows(folder):
    tower = ClipTower.load(str(folder), device="cpu")
    assert tower.encode_texts([]).shape == tower.encode_pixels([]).shape == (0, tower.dimension)
    assert tower.encode_texts(["a dog"]).shape == (1, tower.dimension)


def test_words_beyond_the_context_are_named(folder):
    tower = ClipTower.load(str(folder), device="cpu")
    text = "a red dog in the green car near a blue lamp and a yellow tree with a small man"
    words, dropped = text.split(), tower.dropped_words(text)
    kept = words[: len(words) - len(dropped)]
    assert dropped
    assert words[len(kept) :] == dropped
    # What is dropped changes nothing; the last word that is kept does.
    vectors = tower.encode_texts([" ".join(words), " ".join([*words, "and", "more"]), " ".join(kept[:-1])])
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert not np.allclose(vectors[0], vectors[2], atol=1e-4)
    assert tower.dropped_words("a red dog") == []


def test_the_context_is_full_before_a_word_is_dropped(tmp_path):
    """CLIP's own tokenizer has one token for each of these words, and two marks."""
    tower = ClipTower.load(str(save_tiny_tower(tmp_path)), device="cpu")
    assert tower.dropped_words(" ".join(["dog"] * (CONTEXT - 2))) == []
    assert tower.dropped_words(" ".join(["dog"] * (CONTEXT - 1))) == ["dog"]
