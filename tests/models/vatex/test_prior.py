"""The CLIP Prior: tokens against open_clip, heatmaps, refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from reir.errors import UsageError
from reir.models.towers import TowerSource
from reir.models.vatex.builder import new_vatex
from reir.models.vatex.nouns import main_object, rollback_rate
from reir.models.vatex.pixels import as_prior_input
from reir.models.vatex.prior import heatmaps, pooled_places
from reir.models.vatex.words import tokenize
from reir.types import Picture
from tests.models.towers.tiny_tower import save_tiny_siglip, save_tiny_tower
from tests.models.vatex.tiny_vatex import SMALL, seeded, with_tower


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return seeded(with_tower(tmp_path_factory.mktemp("tower")))


def test_heatmaps_by_hand():
    tokens = torch.tensor([[[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]]])
    cosines = torch.tensor([[1.0, 0.0, 0.5**0.5]])
    torch.testing.assert_close(heatmaps(tokens, torch.tensor([[5.0, 0.0]])), cosines / cosines.norm())


@torch.no_grad()
def test_tokens_are_open_clip_s(parts):
    visual = parts.clip.visual
    pixels = torch.randn(2, 3, 32, 32)
    visual.output_tokens = True
    _, tokens = visual(pixels)
    visual.output_tokens = False
    ours = parts.prior.image_tokens(pixels)
    assert ours.shape == (2, 16, 16)
    torch.testing.assert_close(ours, tokens @ visual.proj, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_heatmap_is_of_length_one_and_that_of_its_row(parts):
    pixels = torch.randn(2, 3, 32, 32)
    ids, _ = tokenize(["a photo of a dog", "a photo of the red sofa near it"], context_length=16)
    heatmap = parts.prior(pixels, ids)
    assert heatmap.shape == (2, 16)
    torch.testing.assert_close(heatmap.norm(dim=1), torch.ones(2))
    alone = parts.prior(pixels[1:], ids[1:])
    torch.testing.assert_close(heatmap[1:], alone, atol=1e-5, rtol=1e-4)
    crossed = parts.prior(pixels, ids, picture=torch.tensor([1, 0]))
    assert not torch.allclose(crossed, heatmap, atol=1e-4)
    text = parts.clip.encode_text(F.pad(ids, (0, 16 - ids.shape[1])))
    torch.testing.assert_close(parts.prior.texts(ids), text)


@torch.no_grad()
def test_a_square_of_another_size_has_more_places(parts):
    large = seeded(replace(parts.config, prior_side=48))
    assert large.prior(torch.randn(1, 3, 48, 48), tokenize(["dog"], context_length=16)[0]).shape == (1, 36)
    with pytest.raises(UsageError, match="no multiple of 8"):
        new_vatex(replace(parts.config, prior_side=50))


@torch.no_grad()
def test_a_resnet_s_places_are_its_pool_s_values(tmp_path):
    vision = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 16}
    save_tiny_tower(tmp_path, vision_cfg=vision)
    parts = seeded(replace(SMALL, tower=str(tmp_path), clip_prior=True))
    pool = parts.clip.visual.attnpool
    pool.positional_embedding.zero_()
    alike = torch.randn(1, 256, 1, 1).expand(1, 256, 2, 2)
    # Where all places are alike, attending to all of them is attending to one.
    torch.testing.assert_close(pooled_places(pool, alike)[:, 0], pool(alike), atol=1e-5, rtol=1e-5)
    assert parts.prior.image_tokens(torch.randn(2, 3, 64, 64)).shape == (2, 4, 16)


def test_towers_without_tokens_in_the_texts_space_are_refused(tmp_path):
    save_tiny_siglip(tmp_path)
    with pytest.raises(UsageError, match="ViT-B-16__openai"):
        new_vatex(replace(SMALL, tower=str(tmp_path), clip_prior=True))


def test_the_frozen_clip_stays_in_evaluation_mode(parts):
    parts.prior.train()
    assert not parts.clip.training
    assert not any(p.requires_grad for p in parts.clip.parameters())


def test_pictures_become_squares_of_the_tower_s_own_kind(parts):
    picture = Picture(np.full((20, 50, 3), 255, np.uint8), 50, 20)
    preprocess = TowerSource.find(parts.config.tower).preprocess
    square = as_prior_input([picture], preprocess, 32)
    assert square.shape == (1, 3, 32, 32)
    white = [(1 - mean) / std for mean, std in zip(preprocess.mean, preprocess.std, strict=True)]
    torch.testing.assert_close(square[0, :, 3, 5], torch.tensor(white))


@pytest.mark.parametrize(
    ("expression", "phrase", "rolled_back"),
    [
        ("the bull on the left", "the bull", False),
        ("black cat sleeping on a red and black luggage beside a gray kitten", "black cat", False),
        ("far left", "far left", True),
        ("", "", True),
    ],
)
def test_main_objects(expression, phrase, rolled_back):
    found = main_object(expression, reader="rules")
    assert (found.phrase, found.rolled_back) == (phrase, rolled_back)
    assert found.prompt == f"A photo of {phrase}"


def test_rollback_rate():
    assert rollback_rate(["the bull", "far left", "left dog", "left"], reader="rules") == 0.5
    assert rollback_rate([]) == 0.0
