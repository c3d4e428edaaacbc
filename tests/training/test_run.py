"""A whole run in its smoke form, and one that is stopped and goes on."""

import json

import pytest
import torch

from reir.errors import MissingPackageError, UsageError
from reir.models import load_model
from reir.training.config import TrainConfig, load_config
from reir.training.run import train

pytestmark = pytest.mark.requires_font


def smallest(steps: int) -> TrainConfig:
    config = load_config("clare-tiny").smoke()
    return config.model_copy(
        update={
            "data": config.data.model_copy(update={"scenes": 20, "validation_scenes": 6}),
            "batch": config.batch.model_copy(update={"pictures": 2}),
            "optim": config.optim.model_copy(update={"steps": steps, "bf16": False}),
            "checkpoint_every": 2,
            "validate_every": 4,
        }
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("scenes")


def run(steps, out, cache, **options):
    return train(smallest(steps), out=out, cache=cache, workers=0, device="cpu", log=lambda _: None, **options)


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(tmp_path, cache):
    whole = run(4, tmp_path / "whole", cache)
    # The learning rate depends on the last step, so the stopped run is the whole run cut short.
    stopped = smallest(4)
    with pytest.raises(KeyboardInterrupt):
        train(stopped, out=tmp_path / "part", cache=cache, workers=0, device="cpu", log=Interrupt(after=2))
    run(4, tmp_path / "part", cache, resume=True)
    one = torch.load(tmp_path / "whole" / "checkpoint.pt", weights_only=True)["network"]
    two = torch.load(tmp_path / "part" / "checkpoint.pt", weights_only=True)["network"]
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, two[name], rtol=1e-3, atol=1e-5, msg=name)
    assert whole.steps == 4
    assert json.loads((tmp_path / "whole" / "config.json").read_text())["config"]["name"] == "clare-tiny"
    model = load_model(f"clare:{whole.folder}", device="cpu")
    assert model.encode(["the red dog"]).shape == (1, model.identity.dimension)
    assert "emoji" in (model.notice or "")


def test_a_missing_package_is_told_before_the_hours_of_training(tmp_path, monkeypatch):
    monkeypatch.setattr("reir.training.run.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"onnx.*reir\[train\]"):
        run(2, tmp_path / "run", tmp_path / "cache")
    assert not any(tmp_path.iterdir())


def test_resuming_another_run_is_refused(tmp_path, cache):
    run(2, tmp_path, cache)
    other = smallest(2).model_copy(update={"seed": 7})
    with pytest.raises(UsageError, match="seed"):
        train(other, out=tmp_path, cache=cache, workers=0, device="cpu", resume=True)
    with pytest.raises(UsageError, match="no checkpoint"):
        run(2, tmp_path / "nothing", cache, resume=True)


class Interrupt:
    """A log that stops the run at its n-th checkpointed step."""

    def __init__(self, after: int) -> None:
        self.after = after

    def __call__(self, line: str) -> None:
        if line.startswith(f"checkpoint at {self.after}"):
            raise KeyboardInterrupt
