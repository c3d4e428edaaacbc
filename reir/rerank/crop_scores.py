"""How well crops fit an expression that is said with the place of each box."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

import numpy as np
from cachetools import LRUCache

from reir.errors import UsageError
from reir.protocols import CropModel, Model
from reir.rerank.prompts import labels_of, spatial_prompts
from reir.types import FloatArray, Hit

_REMEMBERED = 256


def crop_model(model: Model, stage: str) -> CropModel:
    """The model, known to embed crops.

    Raises:
        UsageError: its vectors are not those of crops.
    """
    if not isinstance(model, CropModel):
        raise UsageError(
            f"{stage} compares crops with the expression, and {model.identity.name} does not embed crops. "
            "It works on indexes of rcnn-clip, rpn-clip and sam-clip"
        )
    return model


class CropScorer:
    """S̄, the mean cosine of a crop's embedding to the prompts that name its box's place.

    Remembers recent prompts. Safe from several threads.
    """

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._lock = Lock()
        self._means: LRUCache[tuple[str, str, str], FloatArray] = LRUCache(_REMEMBERED)

    def mean_cosines(
        self, model: Model, expression: str, crops: FloatArray, boxes: FloatArray, picture: Hit
    ) -> FloatArray:
        """S̄ (N,) of crops (N, E) whose boxes (N, 4) lie in the picture of a hit."""
        labels = labels_of(boxes, picture.width, picture.height)
        wanted = np.stack([self._mean_prompt(model, expression, label) for label in labels])
        cosines: FloatArray = np.einsum("ne,ne->n", crops, wanted).astype(np.float32)
        return cosines

    def of_hits(self, model: Model, expression: str, crops: FloatArray, hits: Sequence[Hit]) -> FloatArray:
        """S̄ (N,) of the crops (N, E) of hits."""
        each = [
            self.mean_cosines(model, expression, crop[None], np.array([hit.box], dtype=np.float32), hit)
            for crop, hit in zip(crops, hits, strict=True)
        ]
        return np.concatenate(each)

    def _mean_prompt(self, model: Model, expression: str, label: str) -> FloatArray:
        key = (model.identity.fingerprint, expression, label)
        with self._lock:
            mean = self._means.get(key)
        if mean is None:
            texts = crop_model(model, self._stage).encode_texts(spatial_prompts(expression, label))
            mean = texts.mean(axis=0)
            with self._lock:
                self._means[key] = mean
        return mean
