"""The paper's two stages on scenes: what the second takes from the first, and which pairs CLIA compares."""

from __future__ import annotations

import pytest
import torch

from reir.errors import UsageError
from reir.models.clare.builder import build_clare
from reir.models.clare.config import NANO
from reir.training.checkpoint import start_weights
from reir.training.config import CliaConfig, TrainConfig
from reir.training.objective import retrieval_losses
from reir.training.run import train

SECTIONS = {"data": {"scenes": 96}, "optim": {"steps": 2}, "clia": {"scope": "none"}}


def _small(name: str, **changes: object) -> TrainConfig:
    return TrainConfig.model_validate({"name": name, "model": "nano", **SECTIONS, **changes}).smoke()


def test_the_second_stage_starts_from_the_first_and_says_what_is_new(tmp_path):
    first = _small("first", network={"routed_experts": 0, "active_experts": 0})
    train(first, out=tmp_path / "first", cache=tmp_path / "cache", workers=1, log=lambda _: None)
    told: list[str] = []
    second = _small("second", start=tmp_path / "first", clia={"scope": "batch"})
    train(second, out=tmp_path / "second", cache=tmp_path / "cache", workers=1, log=told.append)
    assert any("more.gate" in line and "more.routed.3" in line for line in told)


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
