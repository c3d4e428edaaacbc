"""``rcnn-clip`` and ``rpn-clip``: boxes of a detector, embedded by an image-text tower."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from reir.models.detector_clip.crops import cut_crops
from reir.models.detector_clip.finder import BoxFinder, Found
from reir.models.detector_clip.parts import Parts
from reir.models.detector_clip.scores import BlendedScore, CosineScore, Score, mean_texts, unit
from reir.models.length import length_warnings, share_within
from reir.types import FloatArray, Instances, ModelIdentity, Picture


class DetectorClip:
    """The ``Model`` and ``CropModel`` of a detector and a tower. Safe from several threads.

    ``rcnn-clip`` ("Bridging Detection and Language", section 3.2) keeps the detector's final detections, each found
    once whatever its classes, with the detection score as objectness; its score is the cosine of crop and expression.
    ``rpn-clip`` (section 3.1) keeps the proposals of the first stage with their objectness, which is blended into the
    score. Where a folder has a trained predictor, its embedding of the region stands in for the crop's, and its box for
    the proposal's.

    *Differs from the paper*: its spatial templates and its search for a better box depend on query and box together, so
    they are the stages ``templates`` and ``box-search``.
    """

    def __init__(self, parts: Parts, *, device: str = "auto") -> None:
        self.parts = parts
        self._score: Score = CosineScore() if parts.kind == "rcnn-clip" else BlendedScore()
        self._finder = BoxFinder(parts, device=device)

    @cached_property
    def identity(self) -> ModelIdentity:
        """Canonical name, the hash of all weights and settings, and dimension D."""
        return ModelIdentity(self.parts.name, self.parts.fingerprint, self._score.dimension(self.parts.tower.dimension))

    @property
    def decode_side(self) -> int:
        """Twice what the detector sees, so that crops of small boxes have pixels."""
        return 2 * self._finder.longest_side

    @property
    def notice(self) -> str | None:
        """Nothing: the tower was trained on pictures of all kinds."""
        return None

    @property
    def calibration(self) -> None:
        """Nothing: what its scores mean was never measured."""
        return

    @property
    def blend(self) -> Mapping[str, float]:
        """For ``rpn-clip``: ``lambda`` in [0, 1] and ``tau`` from 0.001 to 100."""
        return self._score.blend

    def extract(self, pictures: Sequence[Picture]) -> list[Instances]:
        """The kept boxes of each picture; with Mask R-CNN their masks, at the size at which the detector saw it."""
        found = self._finder.find(pictures)
        embedded = self._embed(pictures, found)
        return [
            Instances(
                boxes.boxes, boxes.objectness, self._score.instances(embeddings, boxes.objectness), _details(boxes)
            )
            for boxes, embeddings in zip(found, embedded, strict=True)
        ]

    def encode(self, expressions: Sequence[str], *, blend: Mapping[str, float] | None = None) -> FloatArray:
        """Query vectors (Q, D) of expressions; for ``rpn-clip`` each stands in several prompts.

        Raises:
            UsageError: ``blend`` has an unknown number, or one that is out of range.
        """
        means = mean_texts(self.parts.tower, [self._score.prompts(expression) for expression in expressions])
        return self._score.queries(means, blend)

    def encode_images(self, crops: Sequence[Picture]) -> FloatArray:
        """Query vectors (Q, D) of example crops, each embedded whole."""
        if self.parts.predictor_weights is None:
            return self._score.queries(self.parts.tower.encode_pixels([crop.pixels for crop in crops]))
        whole = [np.array([[0, 0, crop.width, crop.height]], dtype=np.float32) for crop in crops]
        rows = [self._finder.embed(crop, box) for crop, box in zip(crops, whole, strict=True)]
        none = np.zeros((0, self.parts.tower.dimension), dtype=np.float32)
        return self._score.queries(np.concatenate([none, *rows], axis=0))

    def as_query(self, vector: FloatArray) -> FloatArray:
        """The query vector (D,) of a stored instance's embedding."""
        query: FloatArray = self._score.queries(self._score.embeddings(vector[None]))[0]
        return query

    def text_warnings(self, expression: str) -> list[str]:
        """Words beyond the tower's context length."""
        return length_warnings(self._dropped(expression))

    def share_read(self, expression: str) -> float:
        """Share of an expression's words within the tower's context length."""
        return share_within(expression, self._dropped(expression))

    def crop_vectors(self, vectors: FloatArray) -> FloatArray:
        """The unit embeddings (N, E) within stored vectors (N, D)."""
        return self._score.embeddings(np.asarray(vectors, dtype=np.float32))

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """The tower's unit embeddings (Q, E) of texts, with no prompt around them."""
        return self.parts.tower.encode_texts(texts)

    def encode_boxes(self, picture: Picture, boxes: FloatArray) -> FloatArray:
        """The unit embeddings (N, E) of boxes (N, 4) in pixels of the upright original, made as those of the index.

        A trained predictor pools the boxes as they are given; those of an index it pooled before it moved them.
        """
        if self.parts.predictor_weights is not None:
            return self._finder.embed(picture, boxes)
        return self._embed_crops([picture], [boxes])[0]

    def _embed(self, pictures: Sequence[Picture], found: Sequence[Found]) -> list[FloatArray]:
        ready = [boxes.embeddings for boxes in found if boxes.embeddings is not None]
        if len(ready) == len(found):
            return ready
        return self._embed_crops(pictures, [boxes.boxes for boxes in found])

    def _embed_crops(self, pictures: Sequence[Picture], boxes: Sequence[FloatArray]) -> list[FloatArray]:
        """The crops' unit embeddings (N, E) of each picture; all crops go through the tower in large batches."""
        settings, tower = self.parts.settings, self.parts.tower
        crops = [cut_crops(picture, rows, pad=settings.pad) for picture, rows in zip(pictures, boxes, strict=True)]
        embeddings = tower.encode_pixels([crop for of_picture in crops for crop in of_picture])
        rows = np.split(embeddings, np.cumsum([len(of_picture) for of_picture in crops])[:-1])
        if settings.context:
            wholes = tower.encode_pixels([picture.pixels for picture in pictures])
            share = np.float32(settings.context)
            rows = [unit((1 - share) * row + share * whole) for row, whole in zip(rows, wholes, strict=True)]
        return rows

    def _dropped(self, expression: str) -> list[str]:
        # An expression stands at the end of every prompt, and the longest prompt leaves it the least room.
        longest = max(self._score.prompts(expression), key=len)
        dropped = self.parts.tower.dropped_words(longest)
        words = expression.split()
        return words[max(len(words) - len(dropped), 0) :] if dropped else []


def _details(found: Found) -> tuple[dict[str, Any], ...] | None:
    if found.masks is None:
        return None
    from reir.geometry.masks import encode_rle

    return tuple({"mask": encode_rle(mask)} for mask in found.masks)
