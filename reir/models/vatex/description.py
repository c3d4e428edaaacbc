"""What a checkpoint folder says of itself, read without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reir.errors import UsageError
from reir.models.vatex.config import VatexConfig

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
TOWER = "tower"
FORMAT = "vatex-1"


def read_description(folder: Path) -> dict[str, Any]:
    """The ``config.json`` of a checkpoint folder.

    Raises:
        UsageError: the folder is no checkpoint of VATEX.
    """
    path = folder / CONFIG
    try:
        description: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder} is no checkpoint of VATEX: {CONFIG} cannot be read ({error})") from error
    if description.get("format") != FORMAT:
        raise UsageError(
            f"{folder} is no checkpoint of VATEX: {path} does not say {FORMAT}. Train one with: reir train"
        )
    return description


def read_config(description: Mapping[str, Any]) -> VatexConfig:
    """The network's sizes from their JSON form, where tuples are lists."""
    values: dict[str, Any] = description["network"]
    settings: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
    }
    return VatexConfig(**settings)
