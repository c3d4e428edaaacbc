"""Which files of a repository are fetched."""

from __future__ import annotations

import pytest

from reir.errors import WeightsMissingError
from reir.models.hub import HubSource, plan_download
from reir.models.hub.selection import needed_files
from tests.models.hub.conftest import REPO
from tests.models.hub.server import TinyHub


@pytest.mark.parametrize(
    ("names", "wanted", "chosen"),
    [
        (
            ["config.json", "model.safetensors", "pytorch_model.bin", "tf_model.h5", "onnx/model.onnx", "README.md"],
            None,
            ["config.json", "model.safetensors"],
        ),
        (
            ["config.json", "vocab.txt", "pytorch_model.bin", "tf_model.h5"],
            None,
            ["config.json", "pytorch_model.bin", "vocab.txt"],
        ),
        (
            ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"],
            None,
            ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"],
        ),
        (
            [
                "open_clip_config.json",
                "open_clip_model.safetensors",
                "open_clip_pytorch_model.bin",
                "model.safetensors",
            ],
            None,
            ["open_clip_config.json", "open_clip_model.safetensors"],
        ),
        (["config.json", "model.safetensors", "vocab.txt"], ["*.json", "vocab.txt"], ["config.json", "vocab.txt"]),
        ([], None, []),
    ],
)
def test_needed_files(names: list[str], wanted: list[str] | None, chosen: list[str]) -> None:
    assert needed_files(names, wanted) == chosen


@pytest.mark.parametrize("name", ["../config.json", "/config.json", "a/../../config.json"])
def test_a_file_outside_the_repository_is_refused(hub: TinyHub, name: str) -> None:
    hub.repositories[REPO][name] = b"{}"
    with pytest.raises(WeightsMissingError, match="something else than the hub"):
        plan_download(HubSource(REPO))


def test_a_commit_that_leads_elsewhere_is_refused(hub: TinyHub) -> None:
    """It becomes the name of a folder in the cache."""
    hub.commit = "../../elsewhere"
    with pytest.raises(WeightsMissingError, match="something else than the hub"):
        plan_download(HubSource(REPO))
