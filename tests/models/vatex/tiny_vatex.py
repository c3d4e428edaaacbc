"""Tiny networks of VATEX with random weights, and folders of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from reir.models.vatex import TINY, VatexConfig
from reir.models.vatex.builder import VatexParts, new_vatex
from reir.models.vatex.checkpoint import save_vatex
from tests.models.towers.tiny_tower import save_tiny_tower

SMALL = replace(
    TINY,
    width=32,
    heads=2,
    layers=3,
    feedforward=32,
    side=64,
    backbone_channels=(16, 16, 24, 32),
    text_width=16,
    text_layers=1,
    text_heads=2,
)
"""Without a tower: its words are learned."""


def with_tower(folder: Path, **changes: Any) -> VatexConfig:
    """SMALL with a tiny CLIP, made in ``folder``, and its heatmap."""
    return replace(SMALL, tower=str(save_tiny_tower(folder)), clip_prior=True, **changes)


def seeded(config: VatexConfig, seed: int = 0) -> VatexParts:
    """The parts of a configuration, random but always the same; for inference."""
    torch.manual_seed(seed)
    parts = new_vatex(config)
    parts.network.eval()
    return parts


def save_tiny_vatex(folder: Path, config: VatexConfig = SMALL, *, seed: int = 0) -> Path:
    """A checkpoint folder."""
    save_vatex(folder, seeded(config, seed))
    return folder
