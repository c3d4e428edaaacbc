"""How the service is set up: one class, read from ``REIR_...`` variables or made by the caller."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """Settings of one service. Every field can be given as a variable: ``REIR_DB``, ``REIR_API_KEY_FILE``, ..."""

    model_config = SettingsConfigDict(env_prefix="REIR_", frozen=True, extra="ignore")

    db: Path | None = Field(None, description="Index folder; by default .reir in the working folder or above it.")
    database_url: str | None = Field(None, description="SQLAlchemy URL of the image table, if not in the index folder.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where the model runs.")

    api_key_file: Path | None = Field(None, description="Keys and their roles; without it administration is off.")
    allowed_hosts: tuple[str, ...] | None = Field(
        None, description="Host names that requests may name; by default any, which is right behind a proxy."
    )
    cors_origins: tuple[str, ...] = Field((), description="Origins of pages elsewhere that may call the service.")

    batch: int = Field(16, ge=1, description="Searches that are answered together at most.")
    search_threads: int = Field(1, ge=1, description="Batches that are answered at the same time.")
    most_waiting: int = Field(128, ge=1, description="Searches that may wait; more are refused with 503.")
    remembered_expressions: int = Field(4096, ge=1, description="Expressions whose vectors are kept.")
    stages: tuple[str, ...] = Field(
        (), description="Stages with weights that searches may ask for: NAME or ALIAS=NAME. The others may always be."
    )
    stage_seconds: float = Field(10, gt=0, description="Most seconds that one stage of a search may take.")
    stage_threads: int = Field(1, ge=1, description="Searches with stages that are answered at the same time.")
    keep_snapshots: float = Field(600, ge=0, description="Seconds for which pages of an older snapshot can be had.")

    picture_threads: int = Field(2, ge=1, description="Thumbnails and crops that are made at the same time.")
    picture_cache_bytes: int = Field(64 << 20, ge=0, description="Memory for thumbnails and crops.")

    json_limit: int = Field(8 << 20, ge=1024, description="Bytes of a request without files.")
    upload_limit: int = Field(32 << 20, ge=1024, description="Bytes of a request with files.")
    upload_folder: str = Field("uploads", description="Folder in the gallery for pictures that are sent.")
