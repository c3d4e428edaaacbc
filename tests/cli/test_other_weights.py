"""An index knows the weights that made it: one changed number in them, and it is not used any more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reir.cli.app import run
from tests.cli.conftest import Done

Reir = Any


@pytest.fixture
def reir(capsys: pytest.CaptureFixture[str]) -> Reir:
    """``reir("index", folder)`` runs it in this process, with the real models."""

    def call(*arguments: str | Path) -> Done:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A folder laid out as OWLv2's; an empty gallery needs no more than its hash."""
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "owlv2"}))
    for name in ("preprocessor_config.json", "vocab.json"):
        (folder / name).write_text("{}")
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "model.safetensors").write_bytes(bytes(2_000_000))
    return folder


@pytest.fixture
def photos(tmp_path: Path, weights: Path, reir: Reir) -> Path:
    """An index made with these weights, named by their folder alone."""
    (tmp_path / "photos").mkdir()
    done = reir("index", tmp_path / "photos", "--model", weights, "--json")
    assert done.code == 0
    assert done.json["model"] == f"owlv2-base:{weights}"
    return tmp_path / "photos"


def test_the_same_weights_under_any_of_their_names(
    reir: Reir, photos: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(weights.parent)
    for name in ("weights", "./weights", "owlv2-base:weights", f"owlv2-base:{weights}", "auto"):
        assert reir("index", photos, "--model", name).code == 0, name


def test_one_changed_weight(reir: Reir, photos: Path, weights: Path) -> None:
    with (weights / "model.safetensors").open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"\1")
    refused = reir("index", photos, "--model", weights)
    assert refused.code == 1
    assert "was made by owlv2-base" in refused.err
    assert f"reir index {photos} --rebuild" in refused.err
    searched = reir("search", "a dog", "--db", photos / ".reir")
    assert searched.code == 1
    assert "--rebuild" in searched.err


def test_weights_that_are_gone(reir: Reir, photos: Path, weights: Path, tmp_path: Path) -> None:
    weights.rename(tmp_path / "moved")
    searched = reir("search", "a dog", "--db", photos / ".reir")
    assert searched.code == 2
    assert f"there is no folder {weights}" in searched.err
