"""Instances that no description can be had of: marked poor before anybody is asked."""

from __future__ import annotations

from dataclasses import dataclass

from reir.construction.pictures import AnnotatedInstance, AnnotatedPicture


@dataclass(frozen=True, slots=True)
class QualityRule:
    """When an instance is poor. The paper leaves it to the model (appendix B.2, "minimal bounding box").

    *Differs from the paper*: tiny instances and crowds are never sent, because an answer that is known costs money.
    What is blurred or hidden only the model can see; it may still call any instance poor.

    Args:
        least_side: pixels of the shorter side of the box, in the picture.
        least_share: share of the picture's area that the box must cover.
        crowds: whether annotations of crowds (``iscrowd``) are described.
    """

    least_side: float = 16.0
    least_share: float = 0.001
    crowds: bool = False

    def cause(self, picture: AnnotatedPicture, instance: AnnotatedInstance) -> str | None:
        """Why the instance is poor, in a few words; None if it is to be described."""
        x0, y0, x1, y1 = instance.box
        width, height = x1 - x0, y1 - y0
        if instance.crowd and not self.crowds:
            return "a crowd, not one thing"
        if width <= 0 or height <= 0:
            return "its box has no area"
        if min(width, height) < self.least_side:
            return f"its box is {width:.0f}x{height:.0f} pixels, under {self.least_side:g} on a side"
        if width * height < self.least_share * picture.width * picture.height:
            return f"its box covers less than {self.least_share:.2%} of the picture"
        return None
