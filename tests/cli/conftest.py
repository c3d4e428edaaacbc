"""Commands run in this process, as the console script runs them, with a scorer whose every answer is known."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import reir.models
from reir.cli.app import run
from reir.errors import UnknownModelError
from tests.grid_colour_model import GridColourModel
from tests.search.galleries import Quadrants, make_index, paint

PICTURES: dict[str, Quadrants] = {
    "a/red.png": ("red", "green", "blue", "dark"),
    "a/yellow.png": ("yellow", "green", "blue", "blue"),
    "b/no-red.png": ("green", "blue", "green", "blue"),
}


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


Reir = Callable[..., Done]


def load_test_model(name: str = "auto", *, device: str = "auto") -> GridColourModel:
    """The models of these tests: grid-colour, which is all there is by default, and one that cuts finer."""
    if name in ("auto", "grid-colour", "clare-tiny"):
        return GridColourModel()
    if name == "grid-colour-4":
        return GridColourModel(cells=4)
    raise UnknownModelError(name, ["grid-colour"])


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Reir:
    """``command("search", "red")`` runs ``reir search red``."""
    monkeypatch.setattr(reir.models, "load_model", load_test_model)

    def call(*arguments: str | Path) -> Done:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of pictures without an index."""
    for path, quadrants in PICTURES.items():
        paint(tmp_path / "photos" / path, quadrants)
    return tmp_path / "photos"


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The indexed folder that ``indexed`` is copied from."""
    folder = tmp_path_factory.mktemp("original")
    make_index(folder, PICTURES).close()
    return folder


@pytest.fixture
def indexed(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An indexed folder of pictures, which is the working folder. An index inside its gallery moves with it."""
    photos = shutil.copytree(original, tmp_path / "photos")
    monkeypatch.chdir(photos)
    return photos
