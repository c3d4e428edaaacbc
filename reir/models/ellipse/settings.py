"""What can be set of Tune-An-Ellipse; the defaults are the paper's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from reir.models.ellipse.anchors import POINTS

Start: TypeAlias = Literal["score-activation", "activation-score", "score", "activation"]
"""How one of the anchors is chosen (Table 3): by the matching score S and the mean activation A."""
STARTS: tuple[Start, ...] = ("score-activation", "activation-score", "score", "activation")


@dataclass(frozen=True, slots=True)
class EllipseSettings:
    """Numbers of sections 3 and 4.1.

    ``similarity``, ``inflation`` and ``squeezing`` are the weights of the three losses; 0 leaves one out (Table 2).
    ``sigma`` is the curve's width and ``epsilon`` the mask's fuzziness. ``top`` is K of the "Top-K" in ``start``.
    ``sharpness`` is what a cosine is multiplied with in scores, None for each tower's own learned number: the paper
    does not say. ``steps`` 0 leaves the initial ellipse.
    """

    steps: int = 200
    learning_rate: float = 1e-3
    similarity: float = 1.0
    inflation: float = 1.0
    squeezing: float = 1.0
    sigma: float = 0.05
    epsilon: float = 0.1
    sharpness: float | None = None
    start: Start = "score-activation"
    top: int = 10
    points: int = POINTS
    ellipses: int = 6
    seed: int = 0

    def __post_init__(self) -> None:
        if self.start not in STARTS:
            raise ValueError(f"start must be one of {', '.join(STARTS)}, got {self.start!r}")
        if self.steps < 0 or self.top < 1:
            raise ValueError(f"steps must be 0 or more and top 1 or more, got {self.steps} and {self.top}")
        if self.sigma <= 0 or self.epsilon <= 0 or self.learning_rate <= 0:
            raise ValueError("sigma, epsilon and the learning rate must be more than 0")
