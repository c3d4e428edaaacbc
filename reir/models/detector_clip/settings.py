"""How boxes are found and cropped: the options of ``rcnn-clip`` and ``rpn-clip``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from reir.errors import UsageError
from reir.models.specification import ModelSpec
from reir.models.towers import RESIZE_MODES

Kind = Literal["rcnn-clip", "rpn-clip"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings that change stored vectors, beside the weights.

    Args:
        pad: share of a box's sides by which its crop is larger, on every side.
        context: weight of the whole picture's embedding in a crop's.
        top: boxes of a picture that are embedded, best objectness first.
        nms: a box goes when it overlaps a better one by more than this IoU, whatever their classes.
        score: objectness below which a box goes.
        resize: how a crop becomes the tower's size; see ``reir.models.towers.RESIZE_MODES``.
        precision: what backbone and image tower compute in, one of ``PRECISIONS``. None: bfloat16 on a GPU that has
            it, else float32.
    """

    pad: float
    context: float
    top: int
    nms: float
    score: float
    resize: str
    precision: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields that are set, as a JSON object."""
        return {name: value for name, value in asdict(self).items() if value is not None}


DEFAULTS: Mapping[Kind, Settings] = {
    # The paper crops boxes as they are. 0.05 and 0.5 are torchvision's own for detections of one class.
    "rcnn-clip": Settings(pad=0.0, context=0.0, top=30, nms=0.5, score=0.05, resize="squash"),
    # 0.7 is torchvision's own among proposals of one level of its pyramid.
    "rpn-clip": Settings(pad=0.0, context=0.0, top=30, nms=0.7, score=0.0, resize="squash"),
}
PRECISIONS = ("float32", "bfloat16")
OPTIONS = ("classes", "context", "detector", "nms", "pad", "precision", "resize", "score", "size", "top")
"""Names of the options; ``classes``, ``detector`` and ``size`` belong to the detector."""


def read_settings(spec: ModelSpec, defaults: Settings) -> Settings:
    """The settings of a model's name; what it leaves out is as in ``defaults``.

    Raises:
        UsageError: an unknown option, or one that is out of range.
    """
    spec.require_options(OPTIONS)
    precision = spec.options.get("precision", defaults.precision)
    if precision not in (None, *PRECISIONS):
        raise UsageError(f"{spec.name}: precision must be {' or '.join(PRECISIONS)}, got {precision!r}")
    return Settings(
        pad=spec.number("pad", defaults.pad, low=0, high=2),
        context=spec.number("context", defaults.context, low=0, high=1),
        top=spec.whole_number("top", defaults.top, low=1, high=1000),
        nms=spec.number("nms", defaults.nms, low=0, high=1),
        score=spec.number("score", defaults.score, low=0, high=1),
        resize=spec.choice("resize", defaults.resize, RESIZE_MODES),
        precision=precision,
    )
