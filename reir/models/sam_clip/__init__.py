"""SAM and a tower: masks embedded by an image-text tower, with captions where a captioner is named (TAS)."""

from __future__ import annotations

from reir.models.sam_clip.model import SamClip
from reir.models.sam_clip.parts import Parts, find_parts
from reir.models.specification import ModelSpec

__all__ = ["Parts", "SamClip", "find_parts", "load"]


def load(spec: ModelSpec, *, device: str = "auto") -> SamClip:
    """The model of ``sam-clip``; cheap: SAM and captioner are loaded by the first picture.

    The argument is a tower (``ARCH__PRETRAINED`` or a folder of open_clip) or a folder with the subfolders ``sam``,
    ``tower`` and perhaps ``captioner``. Options: ``sam`` and ``captioner`` (a hub repository or a folder of
    transformers; no captioner by default, for it costs more than all else), ``reader`` of its noun phrases
    (``rules`` or ``spacy``), and those of ``reir.models.sam_clip.settings.Settings``.

    Raises:
        UsageError: an unknown option or tower, or a folder that is not a part's.
        WeightsMissingError: public weights that are not on this machine; the message says how to get them.
    """
    return SamClip(find_parts(spec, device=device), device=device)
