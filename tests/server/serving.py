"""Services on small real galleries."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from fastapi.testclient import TestClient

from reir import Gallery
from reir.server import ServiceSettings, create_app
from tests.grid_colour_model import GridColourModel

READ_KEY = "read-key-of-the-tests"
ADMIN_KEY = "admin-key-of-the-tests"
READER = {"X-API-Key": READ_KEY}
ADMINISTRATOR = {"Authorization": f"Bearer {ADMIN_KEY}"}


def index_all(root: Path) -> None:
    """Make or bring up to date the index of everything below the root."""
    with Gallery.create(root, model=GridColourModel()) as gallery:
        gallery.add([root], workers=0)


def key_file(folder: Path) -> Path:
    """A file with one key of each role."""
    path = folder / "keys"
    path.write_text(f"# who may what\nread {READ_KEY}\n\nadmin {ADMIN_KEY}\n")
    path.chmod(0o600)
    return path


@contextmanager
def serving(root: Path, *, keys: bool = True, faults: bool = True, **settings: Any) -> Iterator[TestClient]:
    """A client of a service on the index below ``root``; ``faults`` of the service are raised here."""
    if keys:
        settings["api_key_file"] = key_file(root.parent)
    app = create_app(ServiceSettings(db=root / ".reir", **settings))
    # The small model has no name that could be loaded.
    with (
        patch("reir.models.load_model", lambda name, device: GridColourModel()),
        TestClient(app, raise_server_exceptions=faults) as client,
    ):
        yield client


def finished(client: TestClient, job: dict[str, Any], patience: float = 20.0) -> dict[str, Any]:
    """The job once it has ended."""
    until = time.monotonic() + patience
    while job["state"] not in ("done", "failed"):
        assert time.monotonic() < until, job
        time.sleep(0.02)
        job = client.get(f"/v1/jobs/{job['job_id']}", headers=ADMINISTRATOR).json()
    return job
