"""Pictures with the boxes that expressions refer to, in the order in which a run sees them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reir.data import Dataset
from reir.errors import DatasetError
from reir.imaging.decode import decode_picture
from reir.types import Box


@dataclass(frozen=True, slots=True)
class ReferredPicture:
    """One picture: its referred boxes (xyxy, pixels of the upright original), and the expressions of each."""

    path: Path
    boxes: tuple[Box, ...]
    expressions: tuple[tuple[str, ...], ...]


def referred_pictures(dataset: Dataset, *, limit: int | None = None) -> list[ReferredPicture]:
    """The data set's pictures that expressions refer to, in its order; ``limit`` keeps the first ones.

    Raises:
        DatasetError: a picture is not there.
    """
    texts: dict[str, dict[Box, list[str]]] = {}
    for query in dataset.queries:
        texts.setdefault(query.file_name, {}).setdefault(query.box, []).append(query.text)
    names = [image.file_name for image in dataset.images if image.file_name in texts][:limit]
    pictures = [
        ReferredPicture(dataset.images_root / name, tuple(texts[name]), tuple(map(tuple, texts[name].values())))
        for name in names
    ]
    for picture in pictures:
        if not picture.path.is_file():
            raise DatasetError(
                f"data set {dataset.path}: there is no picture {picture.path}. Name their folder: "
                "--set data.images=FOLDER"
            )
    return pictures


def read_pixels(picture: ReferredPicture, max_side: int) -> tuple[Tensor, Tensor]:
    """Pixels (3, h, w) in [0, 1], the longer side at most ``max_side``, and the boxes (N, 4) in these pixels.

    Raises:
        ImageUnreadableError: the file cannot be read.
    """
    decoded = decode_picture(picture.path, max_side=max_side).picture
    height, width = decoded.pixels.shape[:2]
    pixels = torch.from_numpy(decoded.pixels.copy()).permute(2, 0, 1).float() / 255
    scale = torch.tensor([width / decoded.width, height / decoded.height] * 2)
    return pixels, torch.tensor(picture.boxes) * scale


def batch_rows(count: int, *, size: int, seed: int, step: int) -> list[int]:
    """Rows of the pictures of a step: each epoch sees every picture once, in an order of its own.

    A function of the seed and the step, so that a resumed run sees what the whole run would have seen. The last batch
    of an epoch holds what is left.
    """
    per_epoch = steps_per_epoch(count, size)
    epoch, position = divmod(step, per_epoch)
    order = np.random.default_rng([seed, epoch]).permutation(count)
    rows: list[int] = order[position * size : (position + 1) * size].tolist()
    return rows


def steps_per_epoch(count: int, size: int) -> int:
    """Batches of ``size`` that hold ``count`` pictures."""
    return -(-count // size)
