"""Masks as COCO's compressed run lengths: small enough for JSON, read by every COCO tool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco

from reir.types import Box


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
    decoded: npt.NDArray[np.bool_] = coco.decode(compressed_rle(rle)).astype(bool)
    return decoded


def compressed_rle(mask: npt.ArrayLike | Mapping[str, Any]) -> dict[str, Any]:
    """A boolean mask (h, w) or run lengths of any form as pycocotools takes them, with ``counts`` as bytes.

    Raises:
        ValueError: the run lengths do not fill the size that they name, or the mask is not two-dimensional.
    """
    rle = mask if isinstance(mask, Mapping) else encode_rle(mask)
    height, width = (int(side) for side in rle["size"])
    counts = rle["counts"]
    if isinstance(counts, list):
        if sum(counts) != height * width:
            raise ValueError(f"run lengths add up to {sum(counts)}, the mask has {height}x{width} pixels")
        encoded: dict[str, Any] = coco.frPyObjects({"size": [height, width], "counts": counts}, height, width)
        return encoded
    return {"size": [height, width], "counts": counts.encode("ascii") if isinstance(counts, str) else counts}


def mask_area(mask: npt.ArrayLike | Mapping[str, Any]) -> int:
    """How many pixels a mask has, given as (h, w) or as run lengths of any form."""
    return int(coco.area(compressed_rle(mask)))


def segmentation_rle(segmentation: Any, width: int, height: int) -> dict[str, Any] | None:
    """The mask of a COCO annotation's ``segmentation``: run lengths, or polygons of a picture of this size.

    None where there is none.

    Raises:
        ValueError: it is neither, or is of another size than the picture.
    """
    if segmentation is None or segmentation == []:
        return None
    if isinstance(segmentation, Mapping) and {"size", "counts"} <= set(segmentation):
        encoded = compressed_rle(segmentation)
    elif isinstance(segmentation, list) and all(_is_polygon(part) for part in segmentation):
        encoded = coco.merge(coco.frPyObjects(segmentation, height, width))
    else:
        raise ValueError("the segmentation is neither run lengths nor polygons")
    if list(encoded["size"]) != [height, width]:
        raise ValueError(f"the mask is of the size {encoded['size']}, the picture of [{height}, {width}]")
    return {"size": [height, width], "counts": encoded["counts"].decode("ascii")}


def box_rle(box: Box, width: int, height: int) -> dict[str, Any]:
    """The filled box as a mask: every pixel of a picture of this size whose middle lies in it."""
    x0, y0, x1, y1 = box
    rows, columns = np.arange(height) + 0.5, np.arange(width) + 0.5
    return encode_rle(((rows >= y0) & (rows < y1))[:, None] & ((columns >= x0) & (columns < x1))[None, :])


def resize_rle(rle: Mapping[str, Any], width: int, height: int) -> dict[str, Any]:
    """The mask at another size: each pixel takes the value of the one at its place in ``rle``."""
    if list(rle["size"]) == [height, width] and isinstance(rle["counts"], str):
        return {"size": [height, width], "counts": rle["counts"]}
    mask = decode_rle(rle)
    rows = (np.arange(height) + 0.5) * mask.shape[0] / height
    columns = (np.arange(width) + 0.5) * mask.shape[1] / width
    return encode_rle(mask[rows.astype(np.int64)][:, columns.astype(np.int64)])


def _is_polygon(part: Any) -> bool:
    """Whether it is ``[x, y, x, y, x, y, ...]``."""
    return isinstance(part, list) and len(part) >= 6 and all(isinstance(value, int | float) for value in part)
