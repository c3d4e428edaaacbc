"""What the frozen part of a network says of every training scene and its mirror image, kept on disk.

Nearly all the work of the small network is in its maps. Made once, the decoder's states of a picture are some
thousand numbers, and the layers after them train on hundreds of pictures a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from reir.models.clare.network import Clare
from reir.models.clare.pixels import normalise_pixels
from reir.training.scenes.cache import Shard, load_shard

_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class States:
    """N pictures with M queries each, in the order of their shards' records."""

    hidden: npt.NDArray[np.float16]
    """(N, M, d) states of the last decoder layer."""
    boxes: npt.NDArray[np.float32]
    """(N, M, 4) final boxes in centre form, relative to the picture."""
    objectness: npt.NDArray[np.float32]
    """(N, M) logits."""


def build_states(
    network: Clare,
    shards: Iterable[Path],
    folder: Path,
    *,
    device: str = "cpu",
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write the states of every shard's pictures, plain and mirrored, to ``folder``; files that exist are kept.

    ``network`` has no relation layers. It computes in bfloat16, as training does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(shards, start=1):
        shard: Shard | None = None
        for flip in (False, True):
            file = _file(folder, path, flip)
            if not file.exists():
                shard = shard or load_shard(path)
                made = _shard_states(network, shard, flip=flip, device=device)
                partial = file.with_suffix(".partial.npz")
                np.savez(partial, hidden=made.hidden, boxes=made.boxes, objectness=made.objectness)
                partial.replace(file)
        if progress is not None:
            progress(number)


def load_states(shards: Iterable[Path], folder: Path) -> tuple[States, States]:
    """All pictures of the shards in order: plain, and mirrored."""
    paths = list(shards)
    return _joined(paths, folder, flip=False), _joined(paths, folder, flip=True)


def picture_states(
    network: Clare, pixels: npt.NDArray[np.uint8], valid: npt.NDArray[np.int64], *, device: str, bf16: bool
) -> States:
    """States of pictures (B, H, W, 3) of one canvas, each of which covers ``valid`` (B, 2) rows and columns."""
    height, width = pixels.shape[1:3]
    rows, columns = np.arange(height), np.arange(width)
    padding = (rows[None, :, None] >= valid[:, 0, None, None]) | (columns[None, None] >= valid[:, 1, None, None])
    images = normalise_pixels(torch.from_numpy(pixels).to(device))
    mask = torch.from_numpy(padding).to(device) if padding.any() else None
    with torch.inference_mode(), torch.autocast(device, dtype=torch.bfloat16, enabled=bf16):
        output = network.encode_images(images, mask)
    share = (valid / [height, width])[:, None, ::-1]
    boxes = output.boxes_cxcywh[-1].float().cpu().numpy() / np.concatenate([share, share], axis=-1)
    return States(
        output.hidden.half().cpu().numpy(),
        boxes.astype(np.float32),
        output.objectness[-1].float().cpu().numpy(),
    )


def _file(folder: Path, shard: Path, flip: bool) -> Path:
    return folder / f"{shard.name}-{'mirrored' if flip else 'plain'}.npz"


def _shard_states(network: Clare, shard: Shard, *, flip: bool, device: str) -> States:
    rows: dict[tuple[int, int], dict[int, int]] = {}
    for index, record in enumerate(shard.records):
        rows.setdefault(record.canvas, {})[record.row] = index
    network.eval()
    order: list[int] = []
    made: list[States] = []
    for canvas, pixels in shard.pixels.items():
        for start in range(0, len(pixels), _AT_ONCE):
            block = np.array(pixels[start : start + _AT_ONCE])
            indices = [rows[canvas][start + i] for i in range(len(block))]
            valid = np.array([shard.records[i].valid for i in indices])
            if flip:
                for picture, (_, columns) in zip(block, valid, strict=True):
                    picture[:, :columns] = picture[:, :columns][:, ::-1].copy()
            order += indices
            made.append(picture_states(network, block, valid, device=device, bf16=True))
    place = np.argsort(order)
    return States(
        np.concatenate([states.hidden for states in made])[place],
        np.concatenate([states.boxes for states in made])[place],
        np.concatenate([states.objectness for states in made])[place],
    )


def _joined(shards: list[Path], folder: Path, *, flip: bool) -> States:
    parts: dict[str, list[npt.NDArray[np.float32]]] = {"hidden": [], "boxes": [], "objectness": []}
    for path in shards:
        with np.load(_file(folder, path, flip)) as file:
            for name, arrays in parts.items():
                arrays.append(file[name])
    return States(**{name: np.concatenate(arrays) for name, arrays in parts.items()})  # type: ignore[arg-type]
