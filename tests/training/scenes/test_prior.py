"""A run on scenes that gets VATEX's CLIP Prior and meaning consistency, from one that had neither."""

from __future__ import annotations

import json

import pytest
import torch

from reir.errors import UsageError
from reir.models.clare.checkpoint import load_network
from reir.training.config import TrainConfig, load_config
from reir.training.run import train
from reir.training.scenes.batches import NOUNS
from tests.models.towers.tiny_tower import save_tiny_tower

PLAIN = {
    "model": "nano",
    "network": {"routed_experts": 0, "active_experts": 0},
    "data": {"scenes": 12, "validation_scenes": 3},
    "batch": {"pictures": 4},
    "optim": {"steps": 1, "warmup": 0, "bf16": False},
    "stages": [{"until": 1.0, "reduced": True}],
}


@pytest.mark.requires_font
def test_a_run_gets_both_from_one_that_had_neither(tmp_path, cache):
    options = {"cache": cache, "workers": 0, "device": "cpu"}
    first = TrainConfig.model_validate({"name": "first", **PLAIN})
    train(first, out=tmp_path / "first", log=lambda _: None, **options)
    description = json.loads((tmp_path / "first" / "model" / "config.json").read_text())
    assert description["network"]["prior_nouns"] == 0
    tower = save_tiny_tower(tmp_path / "tower")
    second = {
        "name": "second",
        **PLAIN,
        "start": tmp_path / "first",
        "network": {**PLAIN["network"], "prior_tower": str(tower)},
        "mcc": {"features": "objects"},
        "log_every": 1,
    }
    told: list[str] = []
    train(TrainConfig.model_validate(second), out=tmp_path / "second", log=told.append, **options)
    assert any(line.endswith("new: visual.prior") for line in told)
    losses = json.loads((tmp_path / "second" / "losses.jsonl").read_text().splitlines()[0])
    assert losses["mcc"] > 0
    folder = tmp_path / "second" / "model"
    network = load_network(folder, json.loads((folder / "config.json").read_text()))
    prior = network.visual.prior
    assert prior.texts.shape[0] == len(NOUNS)
    assert prior.projection.weight.abs().max() > 0
    saved = torch.load(tmp_path / "first" / "checkpoint.pt", weights_only=True)["network"]
    assert not any(name.startswith("visual.prior") for name in saved)


def test_a_run_on_photographs_has_none():
    with pytest.raises(UsageError, match=r"network\.prior_tower: only for runs on emoji scenes"):
        load_config("clare-vit-b-stage1", ["network.prior_tower=anywhere"])
