"""The service over galleries whose every answer is known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from reir import Gallery
from reir.server import ServiceSettings, create_app
from tests.grid_colour_model import GridColourModel
from tests.search.galleries import COLOURS, Quadrants, make_index

PICTURES: dict[str, Quadrants] = {
    f"{'ab'[number % 2]}/{number:02}.png": tuple(list(COLOURS)[(number * step + step) % 5] for step in (1, 2, 3, 4))
    for number in range(12)
}


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    """Twelve pictures of coloured quadrants: ids from 1, one a month from January 2024, external ids asset-0 ..."""
    index = make_index(
        tmp_path / "gallery",
        PICTURES,
        taken_at={path: datetime(2024, 1 + number, 1) for number, path in enumerate(PICTURES)},
        external_ids={path: f"asset-{number}" for number, path in enumerate(PICTURES)},
    )
    with Gallery(index, model=GridColourModel(), keep_snapshots=60) as opened:
        yield opened


@pytest.fixture
def client(gallery: Gallery) -> Iterator[TestClient]:
    """A caller of a service without keys over ``gallery``."""
    with TestClient(create_app(ServiceSettings(), gallery=gallery)) as opened:
        yield opened
