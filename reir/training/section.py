"""What every section of a run file has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of a run file: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)
