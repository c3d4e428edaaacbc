"""Process settings, read from the environment (prefix ``REIR_``) by the CLI or the app factory and passed down."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Settings of one process. Command-line flags override them."""

    model_config = SettingsConfigDict(env_prefix="REIR_", extra="ignore")

    db: Path | None = None
    """Index folder; by default ``.reir`` in the working folder or the nearest parent."""
    database_url: str | None = None
    """SQLAlchemy URL of the image table, for a shared service; by default SQLite inside the index folder."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    workers: int | None = None
    """Decoding processes; by default the number of usable cores."""
