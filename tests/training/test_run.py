"""A whole run on a few scenes, and one that goes on from an older checkpoint."""

import json
import shutil

import pytest
import torch

from reir.errors import MissingPackageError, UsageError
from reir.models import load_model
from reir.training.config import TrainConfig
from reir.training.run import train

pytestmark = pytest.mark.requires_font


def settings(**changes) -> TrainConfig:
    sections = {
        "data": {"scenes": 12, "validation_scenes": 3},
        "batch": {"pictures": 2},
        "optim": {"steps": 6, "warmup": 2, "bf16": False},
        "average": {"decay": 0.9},
        "network": {"denoising": 8},
        "stages": [{"until": 0.5, "reduced": True}, {"until": 1.0}],
    }
    every = {"log_every": 3, "checkpoint_every": 3, "validate_every": 6}
    return TrainConfig.model_validate({"name": "small", "model": "nano", **sections, **every, **changes})


def run(config, out, cache, **options):
    return train(config, out=out, cache=cache, workers=0, device="cpu", log=lambda _: None, **options)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Sums over threads have no fixed order, and so no fixed last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, cache, one_thread):
    return run(settings(), tmp_path_factory.mktemp("runs") / "whole", cache)


def differences(first, second, path=""):
    """Where two states are not bit for bit the same."""
    if isinstance(first, torch.Tensor):
        return [] if torch.equal(first, second) else [path]
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        return [found for key in first for found in differences(first[key], second[key], f"{path}/{key}")]
    if isinstance(first, list):
        return [found for pair in zip(first, second, strict=True) for found in differences(*pair, path)]
    return [] if first == second else [path]


def test_a_run_that_goes_on_is_bit_for_bit_the_one_that_was_never_stopped(whole, tmp_path, cache):
    expected = torch.load(whole.folder.parent / "checkpoint.pt", weights_only=True)
    out = tmp_path / "part"
    out.mkdir()
    shutil.copy(whole.folder.parent / "checkpoint-00000003.pt", out)
    run(settings(), out, cache, from_step=3)
    found = torch.load(out / "checkpoint.pt", weights_only=True)
    assert found.pop("seconds") > 0
    assert differences({key: expected[key] for key in found}, found) == []
    assert {"network", "heads", "average", "optim"} <= found.keys()


def test_a_run_leaves_models_and_a_record(whole):
    out = whole.folder.parent
    record = json.loads((out / "config.json").read_text())
    assert record["config"]["name"] == "small"
    assert {"commit", "torch", "python"} <= record.keys()
    losses = [json.loads(line) for line in (out / "losses.jsonl").read_text().splitlines()]
    assert [line["step"] for line in losses] == [3, 6]
    assert {"clia", "focal", "denoising", "relation", "gradient", "learning_rate"} <= losses[0].keys()
    assert whole.validation["last"]["queries"] == whole.validation["queries"] > 0
    model = load_model(f"clare:{whole.folder}", device="cpu")
    assert model.encode(["the red dog"]).shape == (1, model.identity.dimension)
    assert "emoji" in (model.notice or "")
    assert (out / "model-last" / "config.json").is_file()


def test_a_missing_package_is_told_before_the_hours_of_training(tmp_path, monkeypatch):
    monkeypatch.setattr("reir.training.run.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"onnx.*reir\[train\]"):
        run(settings(), tmp_path / "run", tmp_path / "cache")
    monkeypatch.undo()
    monkeypatch.setattr("reir.training.journal.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"tensorboard.*reir\[train\]"):
        run(settings(tensorboard=True), tmp_path / "run", tmp_path / "cache")
    assert not any(tmp_path.iterdir())


def test_resuming_another_run_is_refused(whole, tmp_path, cache):
    with pytest.raises(UsageError, match="seed"):
        run(settings(seed=7), whole.folder.parent, cache, resume=True)
    with pytest.raises(UsageError, match="no checkpoint"):
        run(settings(), tmp_path / "nothing", cache, resume=True)
