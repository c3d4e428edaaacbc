"""How masks are proposed, cropped and captioned: the options of ``sam-clip``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from reir.models.specification import ModelSpec
from reir.models.towers import RESIZE_MODES

PARTS = ("sam", "captioner", "reader")
"""Options that name a part; the others are the fields of ``Settings``."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings that change stored vectors, beside the weights.

    Args:
        points: prompt points along each side of the picture.
        iou: masks go whose predicted IoU is not above this.
        stability: masks go whose stability (the IoU of the masks cut a little higher and lower) is not above this.
        nms: a mask goes when its box overlaps a better one's by more than this IoU.
        top: masks of a picture that are kept, best predicted IoU first.
        resize: how a crop becomes the tower's size; see ``reir.models.towers.RESIZE_MODES``.
    """

    # TAS, section 4.2; nms as in SAM's own mask generation.
    points: int = 8
    iou: float = 0.7
    stability: float = 0.7
    nms: float = 0.7
    # An index keeps 30 instances of a picture. Differs from the paper: it scores every mask, for it has one picture.
    top: int = 30
    resize: str = "squash"

    def to_json(self) -> dict[str, Any]:
        """The fields as a JSON object."""
        return asdict(self)


def read_settings(spec: ModelSpec) -> Settings:
    """The settings of a model's name.

    Raises:
        UsageError: an unknown option, or one that is out of range.
    """
    usual = Settings()
    spec.require_options((*PARTS, *usual.to_json()))
    return Settings(
        points=spec.whole_number("points", usual.points, low=1, high=128),
        iou=spec.number("iou", usual.iou, low=0, high=1),
        stability=spec.number("stability", usual.stability, low=0, high=1),
        nms=spec.number("nms", usual.nms, low=0, high=1),
        top=spec.whole_number("top", usual.top, low=1, high=1000),
        resize=spec.choice("resize", usual.resize, RESIZE_MODES),
    )
