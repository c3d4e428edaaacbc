"""Tune-An-Ellipse: a red ellipse on the picture, tuned until a CLIP sees in it what is searched for.

Paper: Tune-An-Ellipse: CLIP Has Potential to Find What You Want. Torch is imported by ``EllipseTuner`` and what it
needs, not by this package.
"""

from typing import TYPE_CHECKING, Any

from reir.models.ellipse.anchors import anchors
from reir.models.ellipse.background import background_prompts
from reir.models.ellipse.coefficients import box_of, extents, in_pixels, inscribed, mask_of
from reir.models.ellipse.settings import STARTS, EllipseSettings, Start

if TYPE_CHECKING:
    from reir.models.ellipse.tuner import EllipseTuner, TunedEllipse

__all__ = [
    "STARTS",
    "EllipseSettings",
    "EllipseTuner",
    "Start",
    "TunedEllipse",
    "anchors",
    "background_prompts",
    "box_of",
    "extents",
    "in_pixels",
    "inscribed",
    "mask_of",
]


def __getattr__(name: str) -> Any:
    if name in ("EllipseTuner", "TunedEllipse"):
        from reir.models.ellipse import tuner

        return getattr(tuner, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
