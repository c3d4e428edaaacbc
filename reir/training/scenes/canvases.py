"""The canvas shapes of the small model: nearly equal area, one for each common shape of a photo."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

_WIDE = [(112, 224), (128, 224), (128, 192), (144, 192)]
CANVASES = [*_WIDE, (160, 160), *[(width, height) for height, width in _WIDE]]
"""(height, width): 2:1, 16:9, 3:2, 4:3, square and their transposes; about 160 x 160 pixels each."""

_WIDE_REDUCED = {(112, 224): (80, 160), (128, 224): (96, 160), (128, 192): (96, 144), (144, 192): (96, 128)}
REDUCED = {
    **_WIDE_REDUCED,
    (160, 160): (112, 112),
    **{(w, h): (rw, rh) for (h, w), (rh, rw) in _WIDE_REDUCED.items()},
}
"""Canvas shapes of the first part of a run: half the pixels."""


def reduced_pixels(images: Tensor) -> Tensor:
    """Images (B, 3, H, W) at the reduced shape of their canvas."""
    height, width = images.shape[-2:]
    return F.interpolate(images, size=REDUCED[height, width], mode="bilinear", antialias=True)
