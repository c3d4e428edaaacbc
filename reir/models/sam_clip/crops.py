"""What the tower and the captioner see of a mask (TAS, section 3.3 and table 5)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from reir.types import FloatArray

BLUR = 0.05
"""Standard deviation of the blur, as a share of the crop's longer side. The paper does not give its kernel; this hides
what the background shows and leaves its colours, whatever the picture's size."""


def black_crop(pixels: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_], box: FloatArray) -> npt.NDArray[np.uint8]:
    """The box (4,), in whole pixels, of a picture (h, w, 3), black outside the mask (h, w): crop(I, m), equation 1."""
    crop, inside = _cut(pixels, mask, box)
    return crop * inside[:, :, None]


def blurred_crop(pixels: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_], box: FloatArray) -> npt.NDArray[np.uint8]:
    """The box (4,), in whole pixels, of a picture (h, w, 3), blurred outside the mask (h, w)."""
    crop, inside = _cut(pixels, mask, box)
    blurred = Image.fromarray(np.ascontiguousarray(crop)).filter(ImageFilter.GaussianBlur(BLUR * max(crop.shape[:2])))
    return np.where(inside[:, :, None], crop, np.asarray(blurred))


def _cut(
    pixels: npt.NDArray[np.uint8], mask: npt.NDArray[np.bool_], box: FloatArray
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    x0, y0, x1, y1 = (int(side) for side in box)
    return pixels[y0:y1, x0:x1], mask[y0:y1, x0:x1]
