"""The paper's two stages on scenes: what the second takes from the first, and which pairs CLIA compares."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from reir.errors import UsageError
from reir.models.clare.builder import build_clare
from reir.models.clare.config import NANO
from reir.training.checkpoint import start_weights
from reir.training.config import CliaConfig, TrainConfig
from reir.training.objective import retrieval_losses
from reir.training.run import train

SECTIONS = {
    "data": {"scenes": 12, "validation_scenes": 3},
    "batch": {"pictures": 2},
    "optim": {"steps": 1, "warmup": 0, "bf16": False},
    "clia": {"scope": "none"},
}


@pytest.mark.requires_font
def test_the_second_stage_starts_from_what_the_first_ships_and_says_what_is_new(tmp_path, cache):
    options = {"cache": cache, "workers": 0, "device": "cpu"}
    small = {"model": "nano", **SECTIONS, "average": {"decay": 0.9}}
    first = {"name": "first", **small, "network": {"routed_experts": 0, "active_experts": 0}}
    train(TrainConfig.model_validate(first), out=tmp_path / "first", log=lambda _: None, **options)
    told: list[str] = []
    second = {"name": "second", **small, "start": tmp_path / "first", "clia": {"scope": "batch"}}
    train(TrainConfig.model_validate(second), out=tmp_path / "second", log=told.append, **options)
    assert any("more.gate" in line and "more.routed.3" in line for line in told)
    network = build_clare(replace(NANO, routed_experts=0, active_experts=0), vocabulary_size=_words(tmp_path / "first"))
    start_weights(tmp_path / "first", network)
    saved = torch.load(tmp_path / "first" / "checkpoint.pt", weights_only=True)
    assert all(torch.equal(value, saved["average"][name]) for name, value in network.state_dict().items())
    assert not all(torch.equal(value, saved["network"][name]) for name, value in network.state_dict().items())


def _words(folder: Path) -> int:
    return int(json.loads((folder / "model" / "config.json").read_text())["vocabulary"])


def test_weights_of_another_network_are_refused(tmp_path):
    network = build_clare(NANO, vocabulary_size=50)
    with pytest.raises(UsageError, match="no checkpoint at"):
        start_weights(tmp_path, network)
    torch.save({"network": {"visual.other": torch.zeros(1)}, "heads": {}}, tmp_path / "checkpoint.pt")
    with pytest.raises(UsageError, match="another network"):
        start_weights(tmp_path, network)


@pytest.mark.parametrize(("scope", "compared"), [("picture", 1), ("minibatch", 2), ("batch", 4)])
def test_a_scope_compares_a_text_with_the_objects_of_so_many_pictures(scope, compared):
    from types import SimpleNamespace

    torch.manual_seed(0)
    network = build_clare(NANO, vocabulary_size=50)
    pictures, queries = 4, 3
    features = torch.nn.functional.normalize(torch.randn(pictures, queries, 128), dim=-1).requires_grad_()
    boxes = torch.rand(1, pictures, queries, 4) * 0.1 + torch.tensor([0.1, 0.1, 0.01, 0.01])
    visual = SimpleNamespace(hidden=features, features=features, boxes_cxcywh=boxes)
    text = SimpleNamespace(embedding=torch.nn.functional.normalize(torch.randn(1, 128), dim=-1))
    labels = torch.ones(1, 1, dtype=torch.int8)
    batch = SimpleNamespace(labels=labels, text_picture=torch.tensor([0]), complete=None, padding=None)
    nothing = torch.zeros(0, 4)
    losses = retrieval_losses(
        network,
        visual,  # type: ignore[arg-type]
        text,  # type: ignore[arg-type]
        batch,  # type: ignore[arg-type]
        torch.tensor([0]),
        torch.tensor([0]),
        [torch.tensor([[0.9, 0.9, 0.05, 0.05]]), nothing, nothing, nothing],
        CliaConfig(scope=scope, minibatch=2),
    )
    losses["clia"].backward()
    assert (features.grad.abs().sum((1, 2)) > 0).tolist() == [i < compared for i in range(pictures)]
