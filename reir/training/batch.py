"""One step's input, whatever the data: pictures, boxes, texts, and which text is true of which object."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

OPEN, PICTURE, GALLERY = 0, 1, 2
"""What a text is known to fit beside its true objects: perhaps what has no box, nothing in its picture, nothing in
any picture of the data."""


@dataclass
class Batch:
    """B pictures, G objects in all, Q texts."""

    pixels: Tensor
    """(B, H, W, 3) uint8."""
    boxes_cxcywh: Tensor
    """(G, 4) float32, normalised to the canvas, objects of picture 0 first."""
    object_picture: Tensor
    """(G,) int64, picture of each object."""
    token_ids: Tensor
    """(Q, T) int64."""
    token_mask: Tensor
    """(Q, T) bool."""
    text_picture: Tensor
    """(Q,) int64, the picture that each text was written for."""
    labels: Tensor
    """(Q, G) int8: 1 true, -1 false, 0 undefined and never used."""
    padding: Tensor | None = None
    """(B, H, W) bool, True right of and below the picture; None where the canvas is all picture."""
    complete: Tensor | None = None
    """(B,) bool: every object of the picture has its box, so that a prediction elsewhere is background; None: all."""
    text_reach: Tensor | None = None
    """(Q,) int64: ``OPEN``, ``PICTURE`` or ``GALLERY``; None: ``OPEN`` for all."""
    scene: SceneTruth | None = None
    """What only emoji scenes tell."""


@dataclass
class SceneTruth:
    """What the scene graph says beyond boxes and labels. G objects, E relations, Q texts of the batch."""

    classes: Tensor
    """(G, 3) int64: noun, colour, size."""
    relations: Tensor
    """(E, 4) int64: object in [0, G), relation, anchor noun, anchor colour."""
    parses: Tensor
    """(Q, 6) int64: subject noun, colour, size, relation, anchor noun and colour; the last class of each is none."""
