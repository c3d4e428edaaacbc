"""Detector and tower: a detector's boxes, embedded by an image-text tower, as instances of an index."""

from __future__ import annotations

from reir.models.detector_clip.model import DetectorClip
from reir.models.detector_clip.parts import Parts, find_parts
from reir.models.specification import ModelSpec

__all__ = ["DetectorClip", "Parts", "find_parts", "load"]


def load(spec: ModelSpec, *, device: str = "auto") -> DetectorClip:
    """The model of ``rcnn-clip`` or ``rpn-clip``; cheap: the detector is loaded by the first picture.

    The argument is a tower (``ARCH__PRETRAINED`` or a folder of open_clip) or a reir model folder. Options:
    ``detector`` (``ARCH`` or ``ARCH__/PATH/FILE``), ``classes`` (of a file), ``size`` (its shorter side), ``pad``,
    ``context``, ``top``, ``nms``, ``score``, ``resize``, ``precision``: see ``Settings`` in
    ``reir.models.detector_clip.settings``.

    Raises:
        UsageError: an unknown option or tower, or a folder that is not a model's.
        WeightsMissingError: public weights that are not on this machine; the message says how to get them.
    """
    return DetectorClip(find_parts(spec, device=device), device=device)
