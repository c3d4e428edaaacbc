"""An expression in sentences that name where in its picture a box lies.

Paper: Bridging Detection and Language, section 3.1: "spatial templates that insert a coarse location label".
*Differs from the paper*: it gives neither its templates nor its labels; these are ours.
"""

from __future__ import annotations

import numpy as np

from reir.types import FloatArray

LABELS = (
    ("top-left", "top", "top-right"),
    ("left", "center", "right"),
    ("bottom-left", "bottom", "bottom-right"),
)
"""Names of the nine fields of a picture, by row and column."""

SPATIAL_TEMPLATES = (
    "{expression}",
    "a photo of {expression}",
    "{expression} at the {label}",
    "{expression} in the {label} of the picture",
)


def labels_of(boxes: FloatArray, width: int, height: int) -> list[str]:
    """The field of the picture in which the centre of each box (N, 4) lies; ``width`` and ``height`` in pixels."""
    columns = np.clip((boxes[:, 0] + boxes[:, 2]) / 2 / width * 3, 0, 2).astype(int)
    rows = np.clip((boxes[:, 1] + boxes[:, 3]) / 2 / height * 3, 0, 2).astype(int)
    return [LABELS[row][column] for row, column in zip(rows.tolist(), columns.tolist(), strict=True)]


def spatial_prompts(expression: str, label: str) -> list[str]:
    """The expression in every template, with the label of a field."""
    return [template.format(expression=expression, label=label) for template in SPATIAL_TEMPLATES]
