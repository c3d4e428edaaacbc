"""A tiny network that has learned two pictures, in a folder."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from reir.losses import dice_loss, mask_bce_loss, match_masks, query_class_loss
from reir.models.vatex.builder import new_vatex
from reir.models.vatex.checkpoint import save_vatex
from reir.models.vatex.pixels import normalise
from reir.models.vatex.words import tokenize
from reir.types import Box, Picture
from tests.models.vatex.tiny_vatex import SMALL

SIDE = 64
COLOURS = {"red": (220, 30, 30), "blue": (30, 40, 220), "green": (30, 180, 40), "yellow": (230, 220, 40)}
SCENES: tuple[dict[str, Box], ...] = (
    {"red": (6.0, 8.0, 26.0, 32.0), "blue": (36.0, 30.0, 58.0, 58.0)},
    {"green": (34.0, 4.0, 60.0, 24.0), "yellow": (4.0, 36.0, 28.0, 60.0)},
)
"""The boxes of each picture's two blocks, by colour."""


def scene_pixels(scene: dict[str, Box], *, scale: int = 1) -> npt.NDArray[np.uint8]:
    """The picture (64 s, 64 s, 3) of a scene."""
    pixels = np.full((SIDE * scale, SIDE * scale, 3), 128, dtype=np.uint8)
    for colour, box in scene.items():
        x0, y0, x1, y1 = (int(side) * scale for side in box)
        pixels[y0:y1, x0:x1] = COLOURS[colour]
    return pixels


def scene_picture(number: int) -> Picture:
    """A scene as it is decoded."""
    return Picture(scene_pixels(SCENES[number]), SIDE, SIDE)


def scene_mask(box: Box) -> npt.NDArray[np.bool_]:
    """The true mask (64, 64) of a block."""
    mask = np.zeros((SIDE, SIDE), dtype=np.bool_)
    x0, y0, x1, y1 = map(int, box)
    mask[y0:y1, x0:x1] = True
    return mask


@cache
def _trained() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="vatex-")
    save_trained_vatex(Path(folder.name))
    return folder


def trained_vatex() -> Path:
    """The folder of the trained network: made once, gone with the process."""
    return Path(_trained().name)


def save_trained_vatex(folder: Path, *, steps: int = 50) -> Path:
    """The folder of a network that was trained on the two scenes."""
    torch.manual_seed(0)
    parts = new_vatex(replace(SMALL, layers=2))
    network = parts.network.train()
    pixels = normalise(torch.from_numpy(np.stack([scene_pixels(scene) for scene in SCENES])).permute(0, 3, 1, 2))
    rows = [(number, colour, box) for number, scene in enumerate(SCENES) for colour, box in scene.items()]
    ids, mask = tokenize([f"the {colour} block" for _, colour, _ in rows])
    picture = torch.tensor([number for number, _, _ in rows])
    truth = torch.from_numpy(np.stack([scene_mask(box) for _, _, box in rows])).float()
    targets = F.adaptive_avg_pool2d(truth[:, None], SIDE // 4)[:, 0]
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3)
    for _ in range(steps):
        output = network(pixels, None, ids, mask, None, picture=picture)
        matched = match_masks(output.class_logits, output.mask_logits, targets)
        index = matched[..., None, None, None].expand(-1, -1, 1, *output.mask_logits.shape[-2:])
        masks = output.mask_logits.gather(2, index)[:, :, 0]
        expected = targets.expand_as(masks)
        loss = 5 * (mask_bce_loss(masks, expected) + dice_loss(masks, expected))
        loss = loss + 2 * query_class_loss(output.class_logits, matched)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
    network.eval()
    save_vatex(folder, parts)
    return folder
