"""The three losses that tune an ellipse (section 3.2, equations 4 to 7), one number for each ellipse."""

from __future__ import annotations

from torch import Tensor

_LEAST = 1e-8
"""Below this a sum counts as this: an ellipse on no activation at all has no gradient, not an infinite loss."""


def matching_loss(scores: Tensor) -> Tensor:
    """L_sim (B,), equation 4, of scores (B, 1 + J): the text's, then those of the background prompts."""
    return -scores.log_softmax(dim=1)[:, 0]


def inflation_loss(activation: Tensor, mask: Tensor) -> Tensor:
    """L_inf (B,), equation 5: less the more activation (B, H, W) lies under the mask (B, H, W)."""
    return -(activation * mask).mean(dim=(1, 2)).clamp_min(_LEAST).log()


def squeezing_loss(activation: Tensor, mask: Tensor) -> Tensor:
    """L_sqz (B,), equation 6: less the higher the mean activation under the mask is."""
    covered = (activation * mask).sum(dim=(1, 2)).clamp_min(_LEAST)
    return -(covered / mask.sum(dim=(1, 2)).clamp_min(_LEAST)).log()
