"""Prompts for what is no object: the negatives of the matching loss and of Grad-CAM."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files


@cache
def background_prompts() -> tuple[str, ...]:
    """The 25 prompts of CLIP-ES, "a clean origami land." and the like (section 3 of the paper names two of them)."""
    content = tomllib.loads(files("reir.models.ellipse").joinpath("background.toml").read_text())
    return tuple(content["template"].format(word) for word in content["words"])
