"""The service itself, in a thread of this process, over an index whose every answer is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from reir import Client, Gallery
from reir.server import ServiceSettings, create_app
from tests.grid_colour_model import GridColourModel
from tests.search.galleries import COLOURS, Quadrants, make_index
from tests.serving import running

KEY = "an-administrators-key"
READER = "a-readers-key-of-old"


@dataclass(frozen=True)
class Served:
    """A gallery, and where it is served."""

    url: str
    root: Path
    gallery: Gallery
    client: Client


def _pictures() -> dict[str, Quadrants]:
    names = list(COLOURS)
    found: dict[str, Quadrants] = {}
    for number in range(24):
        first, second = divmod(number, len(names))
        folder = "a" if number % 2 else "b/c"
        found[f"{folder}/{number:02d}.png"] = (names[first], names[second], names[number % 3], "dark")
    return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """24 pictures: half of them in folder ``a``, one a month from 2023 on, every third with an id of its owner's."""
    root = tmp_path_factory.mktemp("photos")
    pictures = _pictures()
    make_index(
        root,
        pictures,
        taken_at={path: datetime(2023 + n // 12, n % 12 + 1, 15) for n, path in enumerate(pictures)},
        external_ids={path: f"asset-{n}" for n, path in enumerate(pictures) if n % 3 == 0},
    ).close()
    keys = root.parent / "keys"
    keys.write_text(f"admin {KEY}\nread {READER}\n")
    keys.chmod(0o600)
    settings = ServiceSettings(api_key_file=keys)
    with (
        Gallery.open(root / ".reir", model=GridColourModel(), keep_snapshots=600) as gallery,
        running(create_app(settings, gallery=gallery)) as url,
        Gallery.open(root / ".reir", model=GridColourModel()) as same,
        Client(url, api_key=KEY) as client,
    ):
        yield Served(url, root, same, client)
