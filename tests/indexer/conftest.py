from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reir.indexer import IndexOptions, IndexReport, open_or_create, run_index
from reir.store import Index
from tests.grid_colour_model import GridColourModel

Update = Callable[..., IndexReport]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


@pytest.fixture
def model() -> GridColourModel:
    return GridColourModel()


@pytest.fixture
def index(root: Path, model: GridColourModel) -> Index:
    return open_or_create(root, model)


@pytest.fixture
def update(index: Index, model: GridColourModel) -> Update:
    """Brings the index up to date, decoding in this process, in batches of four."""

    def run(**options: Any) -> IndexReport:
        return run_index(index, model, IndexOptions(**{"workers": 0, "batch": 4, **options}))

    return run
