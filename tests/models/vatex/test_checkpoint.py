"""Checkpoint folders: written and read back, the frozen CLIP with them, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from reir.errors import ReirError, UsageError, WeightsMissingError
from reir.models.vatex import checkpoint as module
from reir.models.vatex.checkpoint import load_vatex, save_vatex
from reir.models.vatex.words import tokenize
from tests.models.towers.tiny_tower import save_tiny_tower
from tests.models.vatex.tiny_vatex import SMALL, seeded, with_tower


@torch.no_grad()
def answers(parts):
    generator = torch.Generator().manual_seed(1)
    ids, mask = tokenize(["a red dog"], context_length=parts.context_length)
    side = parts.prior.side if parts.prior is not None else 1
    heatmap = parts.prior(torch.randn(1, 3, side, side, generator=generator), ids) if parts.prior else None
    output = parts.network(torch.randn(1, 3, 64, 64, generator=generator), None, ids, mask, heatmap)
    return output.mask_logits[-1]


@pytest.mark.parametrize("train_words", [False, True])
def test_a_folder_answers_as_the_network_did(tmp_path, train_words):
    parts = seeded(with_tower(tmp_path / "clip", train_words=train_words))
    save_vatex(tmp_path / "made", parts, notice="narrow", training={"steps": 3})
    read = load_vatex(tmp_path / "made")
    torch.testing.assert_close(answers(read), answers(parts), atol=0.02, rtol=0.02)
    assert replace(read.config, tower=None, clip_prior=False) == replace(parts.config, tower=None, clip_prior=False)
    names = load_file(tmp_path / "made" / "model.safetensors").keys()
    assert any(name.startswith("text.transformer.") for name in names) == train_words
    description = json.loads((tmp_path / "made" / "config.json").read_text())
    assert (description["notice"], description["training"]) == ("narrow", {"steps": 3})


def test_a_small_tower_travels_with_the_folder(tmp_path):
    parts = seeded(with_tower(tmp_path / "clip"))
    save_vatex(tmp_path / "made", parts)
    (tmp_path / "clip" / "open_clip_model.safetensors").unlink()
    read = load_vatex(tmp_path / "made")
    assert read.config.tower == str(tmp_path / "made" / "tower")
    save_vatex(tmp_path / "again", read)
    torch.testing.assert_close(answers(load_vatex(tmp_path / "again")), answers(read), atol=0.02, rtol=0.02)


def test_a_large_tower_is_found_by_name_and_must_be_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SMALL_TOWER", 0)
    parts = seeded(with_tower(tmp_path / "clip"))
    save_vatex(tmp_path / "made", parts)
    assert not (tmp_path / "made" / "tower").exists()
    torch.testing.assert_close(answers(load_vatex(tmp_path / "made")), answers(parts), atol=0.02, rtol=0.02)
    save_tiny_tower(tmp_path / "clip", seed=9)
    with pytest.raises(UsageError, match="its digest differs"):
        load_vatex(tmp_path / "made")


def test_without_a_tower(tmp_path):
    parts = seeded(SMALL)
    save_vatex(tmp_path, parts)
    torch.testing.assert_close(answers(load_vatex(tmp_path)), answers(parts), atol=0.02, rtol=0.02)


def test_damaged_folders_are_refused(tmp_path):
    with pytest.raises(UsageError, match="no checkpoint of VATEX"):
        load_vatex(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="does not say vatex-1"):
        load_vatex(tmp_path)
    save_vatex(tmp_path, seeded(SMALL))
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(UsageError, match="Copy the checkpoint again"):
        load_vatex(tmp_path)


def test_weights_that_are_not_finite_are_not_written(tmp_path):
    parts = seeded(SMALL)
    with torch.no_grad():
        parts.network.decoder.embedding[0, 0] = float("nan")
    with pytest.raises(ReirError, match=r"decoder\.embedding"):
        save_vatex(tmp_path / "made", parts)
    assert not (tmp_path / "made").exists()


def test_published_towers_are_not_fetched():
    from reir.models.vatex.builder import new_vatex

    with pytest.raises(WeightsMissingError, match="vit_base_patch16"):
        new_vatex(replace(SMALL, tower="ViT-B-16__openai", clip_prior=True))
