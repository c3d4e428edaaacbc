"""What was downloaded: the commit and the hash of every file, to which later loads and checks are held."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

RECORD_FILE = "reir-weights.json"
"""Name of the record inside a folder that was made with ``reir models download --to``."""


@dataclass(frozen=True, slots=True)
class Record:
    """The files of one download: their SHA-256 by their name."""

    repo: str
    revision: str
    sha256: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object."""
        return {"format": 1, "repo": self.repo, "revision": self.revision, "sha256": dict(self.sha256)}

    def save(self, path: Path) -> None:
        """Write it as a whole, so that readers never see a part."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            json.dump(self.to_json(), file, indent=1)
        Path(file.name).chmod(0o644)
        Path(file.name).replace(path)

    @classmethod
    def load(cls, path: Path) -> Record | None:
        """The record in a file; None where there is none that can be read."""
        try:
            record = json.loads(path.read_text())
            return cls(str(record["repo"]), str(record["revision"]), dict(record["sha256"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None


def record_path(repo: str) -> Path:
    """Where the record of a repository in the hub's cache is kept: in the user's data folder."""
    return user_data_path("reir") / "weights" / f"{repo.replace('/', '--')}.json"
