"""A red ellipse on a picture, drawn so that gradients reach its coefficients.

Paper: Tune-An-Ellipse, section 3.1, equations 1 to 3. An ellipse is five numbers (cx, cy, a, b, angle) in picture
coordinates, which run from -1 to 1 over each side, so that (0, 0) is the middle and a = 1 reaches from it to an edge.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

SIGMA = 0.05
"""Width of the curve, section 4.1. In units of φ, so that a small ellipse has a thin line."""
EPSILON = 0.1
"""Fuzziness of the mask. The paper gives no value."""

_LEAST = 1e-8
_RED = (1.0, 0.0, 0.0)


def signed_field(ellipses: Tensor, height: int, width: int) -> Tensor:
    """φ (N, H, W) of equation 1 at the middle of every pixel, for ellipses (N, 5).

    Zero on the curve, -1 in the centre, positive outside.
    """
    y = (torch.arange(height, dtype=ellipses.dtype, device=ellipses.device) * 2 + 1) / height - 1
    x = (torch.arange(width, dtype=ellipses.dtype, device=ellipses.device) * 2 + 1) / width - 1
    cx, cy, a, b, angle = (column[:, None, None] for column in ellipses.unbind(dim=1))
    dx, dy = x[None, None, :] - cx, y[None, :, None] - cy
    cosine, sine = angle.cos(), angle.sin()
    along, across = dx * cosine + dy * sine, dx * sine - dy * cosine
    # Either axis may pass through zero as it is tuned; the curve depends on their squares alone.
    return along.square() / (a.square() + _LEAST) + across.square() / (b.square() + _LEAST) - 1


def curve(field: Tensor, *, sigma: float = SIGMA) -> Tensor:
    """How much of each pixel is line, in [0, 1]: equation 2 with μ = 0."""
    return torch.exp(field.square() * (-1 / (2 * sigma**2)))


def inside(field: Tensor, *, epsilon: float = EPSILON) -> Tensor:
    """The mask M, near 1 inside the ellipse and near 0 outside: equation 3 of -φ.

    *Differs from the paper*: equation 3 as printed is 1 where φ is positive, which by equation 1 is outside; its
    figure 2 (f) and its losses need the inside, so the sign of φ is turned.
    """
    # 1/2 - atan(φ / ε) / π, without losing all digits far outside, where it is small.
    return torch.atan2(torch.full_like(field, epsilon), field) / math.pi


def draw(pictures: Tensor, field: Tensor, *, sigma: float = SIGMA) -> Tensor:
    """The pictures (N, 3, H, W), RGB in [0, 1], with a red curve where ``field`` (N, H, W) is zero."""
    line = curve(field, sigma=sigma)[:, None]
    red = torch.tensor(_RED, dtype=pictures.dtype, device=pictures.device).view(1, 3, 1, 1)
    return torch.lerp(pictures, red, line)
