"""Masks as COCO's compressed run lengths: small enough for JSON, read by every COCO tool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco


def encode_rle(mask: npt.ArrayLike) -> dict[str, Any]:
    """``{"size": [height, width], "counts": text}`` of a boolean mask (h, w), as COCO files have it.

    Raises:
        ValueError: the mask is not two-dimensional.
    """
    pixels = np.asarray(mask)
    if pixels.ndim != 2:
        raise ValueError(f"a mask is (h, w), got shape {pixels.shape}")
    encoded = coco.encode(np.asfortranarray(pixels, dtype=np.uint8))
    return {"size": [int(side) for side in encoded["size"]], "counts": encoded["counts"].decode("ascii")}


def decode_rle(rle: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
    """The boolean mask (h, w) of compressed run lengths made by ``encode_rle`` or read from a COCO file.

    Uncompressed run lengths (``counts`` a list of numbers) are understood too.

    Raises:
        ValueError: the run lengths do not fill the size that they name.
    """
    height, width = (int(side) for side in rle["size"])
    counts = rle["counts"]
    if isinstance(counts, list):
        if sum(counts) != height * width:
            raise ValueError(f"run lengths add up to {sum(counts)}, the mask has {height}x{width} pixels")
        encoded = coco.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    else:
        text = counts.encode("ascii") if isinstance(counts, str) else counts
        encoded = {"size": [height, width], "counts": text}
    decoded: npt.NDArray[np.bool_] = coco.decode(encoded).astype(bool)
    return decoded


def resize_rle(rle: Mapping[str, Any], width: int, height: int) -> dict[str, Any]:
    """The mask at another size: each pixel takes the value of the one at its place in ``rle``."""
    if list(rle["size"]) == [height, width] and isinstance(rle["counts"], str):
        return {"size": [height, width], "counts": rle["counts"]}
    mask = decode_rle(rle)
    rows = (np.arange(height) + 0.5) * mask.shape[0] / height
    columns = (np.arange(width) + 0.5) * mask.shape[1] / width
    return encode_rle(mask[rows.astype(np.int64)][:, columns.astype(np.int64)])
