"""The CLIP Prior in CLARE: what it sees, where queries read it, and networks with and without it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from reir.errors import UsageError
from reir.models import load_model
from reir.models.clare.builder import build_clare
from reir.models.clare.checkpoint import PRIOR, load_network, network_config, save_checkpoint_folder
from reir.models.clare.config import NANO
from reir.models.clare.prior import build_prior, load_prior, prior_settings
from reir.text import WordTokenizer
from reir.types import Picture
from tests.models.towers.tiny_tower import DIMENSION, SIDE, save_tiny_siglip, save_tiny_tower

NOUNS = ("dog", "cat", "lamp", "car", "tree")
PLACES = SIDE // 8
SHAPE = replace(NANO, prior_nouns=len(NOUNS))
WORDS = WordTokenizer.from_words(["red", "blue", "dog", "cat", "lamp"])


@pytest.fixture(scope="module")
def tower(tmp_path_factory):
    return str(save_tiny_tower(tmp_path_factory.mktemp("tower")))


@pytest.fixture(scope="module")
def settings(tower):
    return prior_settings(tower, NOUNS)


@pytest.fixture
def prior(tower, settings):
    made = build_prior(settings, width=8)
    load_prior(made, tower, settings)
    return made


@pytest.fixture(scope="module")
def network(tower, settings):
    torch.manual_seed(0)
    made = build_clare(SHAPE, vocabulary_size=WORDS.vocabulary_size, prior=settings).eval()
    load_prior(made.visual.prior, tower, settings)
    return made


def test_maps_are_cosines_of_tokens_and_prompts_standardised_over_the_nouns(tower, prior):
    from reir.models.towers import TowerSource
    from reir.models.towers.network import OpenClipText, build_network

    source = TowerSource.find(tower)
    visual = build_network(source).visual
    images = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    mean, std = (torch.tensor(part)[:, None, None] for part in (source.preprocess.mean, source.preprocess.std))
    seen = []
    visual.transformer.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    with torch.inference_mode():
        visual((images * 0.5 + 0.5 - mean) / std)
        tokens = visual.ln_post(seen[0][:, 1:]) @ visual.proj
    prompts = OpenClipText(source, torch.device("cpu")).embed([f"A photo of a {noun}" for noun in NOUNS])
    for b in range(2):
        for place in range(PLACES**2):
            token = tokens[b, place].numpy()
            cosines = prompts @ token / np.linalg.norm(token)
            expected = (cosines - cosines.mean()) / np.sqrt(cosines.var() + 1e-5)
            found = prior.maps(images)[b, :, place // PLACES, place % PLACES]
            np.testing.assert_allclose(found.numpy(), expected, atol=1e-3)


def test_a_query_reads_what_lies_under_its_centre(prior):
    with torch.no_grad():
        prior.projection.weight.copy_(torch.eye(8, len(NOUNS)))
        maps = torch.randn(2, len(NOUNS), PLACES, PLACES)
        # The middle of the place in row 1, column 2; a corner; and the middle between two places of one row.
        centres = torch.tensor([[2.5 / PLACES, 1.5 / PLACES], [0.0, 0.0], [1.0 / PLACES, 0.5 / PLACES]]).expand(
            2, -1, -1
        )
        added = prior(maps, centres)
    assert added.shape == (2, 3, 8)
    torch.testing.assert_close(added[:, 0, : len(NOUNS)], maps[:, :, 1, 2])
    torch.testing.assert_close(added[:, 1, : len(NOUNS)], maps[:, :, 0, 0])
    torch.testing.assert_close(added[:, 2, : len(NOUNS)], (maps[:, :, 0, 0] + maps[:, :, 0, 1]) / 2)


def test_untrained_it_changes_nothing_and_trained_it_does(network):
    torch.manual_seed(0)
    plain = build_clare(NANO, vocabulary_size=WORDS.vocabulary_size).eval()
    rest = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("visual.prior")}
    plain.load_state_dict(rest)
    images = torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        before = network.encode_images(images)
        assert torch.equal(before.features, plain.encode_images(images).features)
        torch.nn.init.normal_(network.visual.prior.projection.weight)
        after = network.encode_images(images)
        torch.nn.init.zeros_(network.visual.prior.projection.weight)
    assert not torch.allclose(before.features, after.features)
    # The first stage chooses the queries before the prior is asked.
    assert torch.equal(before.selected, after.selected)


def test_centres_are_those_of_the_canvas(network):
    """Boxes of queries are shares of the picture, which covers a part of the canvas."""
    padding = torch.zeros(1, 64, 96, dtype=torch.bool)
    padding[:, 32:] = True
    padding[:, :, 48:] = True
    given = []
    handle = network.visual.prior.register_forward_pre_hook(lambda _module, inputs: given.append(inputs))
    with torch.inference_mode():
        network.encode_images(torch.randn(1, 3, 64, 96), padding)
    handle.remove()
    (maps, centres), *_ = given
    assert maps.shape == (1, len(NOUNS), PLACES, PLACES)
    assert centres.shape == (1, SHAPE.queries, 2)
    assert centres.max() <= 0.5
    assert centres.max() > 0.25


def test_only_the_projection_learns(network):
    names = {name for name, p in network.visual.prior.named_parameters() if p.requires_grad}
    assert names == {"projection.weight"}
    network.train()
    assert network.training
    assert not network.visual.prior.clip.training
    visual = network.encode_images(torch.randn(2, 3, 64, 64))
    visual.features.sum().backward()
    assert network.visual.prior.projection.weight.grad.abs().max() > 0
    network.eval()
    network.zero_grad()


def test_a_checkpoint_holds_the_frozen_tower(network, settings, tmp_path):
    torch.nn.init.normal_(network.visual.prior.projection.weight)
    serving = {"canvases": [[64, 96]], "max_tokens": 16, "min_objectness": 0.0, "nms_iou": 0.7}
    save_checkpoint_folder(tmp_path, network, SHAPE, WORDS, serving=serving, notice=None, card="#", prior=settings)
    description = json.loads((tmp_path / "config.json").read_text())
    assert PRIOR in description["sha256"]
    again = load_network(tmp_path, description).eval()
    images = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        torch.testing.assert_close(
            again.encode_images(images).features, network.encode_images(images).features, atol=2e-2, rtol=0
        )
    torch.testing.assert_close(again.visual.prior.texts, network.visual.prior.texts, atol=1e-3, rtol=0)
    model = load_model(f"clare:{tmp_path}", device="cpu")
    pixels = np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    (found,) = model.extract([Picture(pixels, 192, 128)])
    assert len(found) > 0
    (tmp_path / PRIOR).write_text("{}")
    with pytest.raises(UsageError, match=r"prior\.json is missing or not the file"):
        load_network(tmp_path, description)
    torch.nn.init.zeros_(network.visual.prior.projection.weight)


def test_networks_from_before_have_none():
    values = asdict(NANO)
    del values["prior_nouns"]
    config = network_config(json.loads(json.dumps(values)))
    assert config == NANO
    assert build_clare(config, vocabulary_size=9).visual.prior is None
    assert not [name for name in build_clare(NANO, vocabulary_size=9).state_dict() if "prior" in name]


def test_what_cannot_be(settings, tmp_path, tower):
    with pytest.raises(ValueError, match="0 nouns for a CLIP Prior"):
        build_clare(NANO, vocabulary_size=9, prior=settings)
    with pytest.raises(ValueError, match="5 nouns for a CLIP Prior"):
        build_clare(SHAPE, vocabulary_size=9)
    with pytest.raises(UsageError, match="name some"):
        prior_settings(tower, ())
    with pytest.raises(UsageError, match="image tokens in the space of the texts"):
        prior_settings(str(save_tiny_siglip(tmp_path / "siglip")), NOUNS)
    assert len(settings["prompts"]) == len(NOUNS)
    assert settings["model"]["embed_dim"] == DIMENSION
