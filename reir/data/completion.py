"""Boxes of a detection file for the pictures of a file that has those of referred objects only."""

from __future__ import annotations

import numpy as np

from reir.data.annotated import AnnotatedPicture, Annotations
from reir.data.pictures import coco_image_id
from reir.geometry import iou_matrix

SAME_IOU = 0.8
"""Boxes of two files that overlap this much are one object: REIRCOCO's are COCO's, perhaps rounded."""


class Completion:
    """All boxes of pictures that a detection file has too, known by COCO's number in their names."""

    def __init__(self, detection: Annotations) -> None:
        self._detection = detection
        numbers = ((coco_image_id(detection.file_names[i]), i) for i in range(len(detection)))
        self._rows = {number: i for number, i in numbers if number is not None}

    def covers(self, picture: AnnotatedPicture) -> bool:
        """Whether the detection file has this picture, in this size."""
        return self._row(picture) is not None

    def complete(self, picture: AnnotatedPicture) -> AnnotatedPicture:
        """The picture with the boxes that it lacked, without expressions or categories, crowds among them; as it is
        where the detection file does not have it.
        """
        row = self._row(picture)
        if row is None:
            return picture
        other = self._detection[row]
        new = np.ones(len(other.boxes), dtype=bool)
        if len(picture.boxes) and len(other.boxes):
            new = iou_matrix(other.boxes, picture.boxes).max(axis=1) < SAME_IOU
        return AnnotatedPicture(
            picture.file_name,
            picture.width,
            picture.height,
            np.concatenate([picture.boxes, other.boxes[new]]),
            np.concatenate([picture.categories, np.full(int(new.sum()), -1, dtype=np.int64)]),
            np.concatenate([picture.crowd, other.crowd[new]]),
            (*picture.expressions, *(() for _ in range(int(new.sum())))),
            self._detection.complete,
        )

    def _row(self, picture: AnnotatedPicture) -> int | None:
        number = coco_image_id(picture.file_name)
        row = None if number is None else self._rows.get(number)
        if row is None or tuple(self._detection.sizes[row].tolist()) != (picture.width, picture.height):
            return None
        return row
