"""What an index holds, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from reir.types import ModelIdentity


@dataclass(frozen=True, slots=True)
class GalleryInfo:
    """What an index holds, as of its newest snapshot."""

    db: Path
    root: Path
    model: ModelIdentity
    settings: Mapping[str, Any]
    created_at: datetime
    snapshot: int
    images: int
    instances: int
    failed: int
    bytes: int
    """Size of the index folder on disk."""

    def to_json(self) -> dict[str, Any]:
        """The facts as a JSON object."""
        record = asdict(self)
        record.update(db=str(self.db), root=str(self.root), created_at=self.created_at.isoformat())
        record["settings"] = dict(self.settings)
        return record
