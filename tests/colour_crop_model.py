"""A real small scorer of crops: mean colours and brightness as objectness, blended at query time, with masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from reir.geometry.masks import encode_rle
from reir.types import FloatArray, Instances, ModelIdentity, Picture
from tests.grid_colour_model import WORDS, GridColourModel, unit

# Words for places have a colour too, so that a prompt with a place differs from one without.
PLACES = {"top-left": (2, 0, 1), "left": (0, 2, 1), "right": (0, 1, 2), "bottom-right": (1, 2, 0)}


class ColourCropModel(GridColourModel):
    """Instance vectors ``[e, o]``, e the unit mean colour of the box; queries ``[(λ/τ) q, 1-λ]``."""

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity("colour-crop", f"colour-crop-{self.cells}", 4)

    @property
    def blend(self) -> Mapping[str, float]:
        return {"lambda": 0.75, "tau": 0.5}

    def extract(self, pictures: Sequence[Picture]) -> list[Instances]:
        return [
            self._with_masks(picture, found) for picture, found in zip(pictures, super().extract(pictures), strict=True)
        ]

    def _with_masks(self, picture: Picture, found: Instances) -> Instances:
        scale = picture.pixels.shape[1] / picture.width
        details = []
        for box in found.boxes * scale:
            x0, y0, x1, y1 = np.round(box).astype(int)
            mask = np.zeros(picture.pixels.shape[:2], dtype=bool)
            mask[y0:y1, x0:x1] = True
            details.append({"mask": encode_rle(mask)})
        vectors = np.concatenate([found.vectors, found.objectness[:, None]], axis=1)
        return replace(found, vectors=vectors, details=tuple(details))

    def encode(self, expressions: Sequence[str], *, blend: Mapping[str, float] | None = None) -> FloatArray:
        mix = {**self.blend, **(blend or {})}
        texts = self.encode_texts(expressions)
        share = np.full((len(texts), 1), 1 - mix["lambda"], dtype=np.float32)
        return np.concatenate([mix["lambda"] / mix["tau"] * texts, share], axis=1).astype(np.float32)

    def encode_images(self, crops: Sequence[Picture]) -> FloatArray:
        return np.stack([self.as_query(np.append(each, 0)) for each in super().encode_images(crops)])

    def as_query(self, vector: FloatArray) -> FloatArray:
        return np.append(vector[:3], 0).astype(np.float32)

    def crop_vectors(self, vectors: FloatArray) -> FloatArray:
        return vectors[:, :3]

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        known = {**WORDS, **PLACES}
        sums = [
            np.sum([known[word] for word in text.split() if word in known] or [(0, 0, 0)], axis=0) for text in texts
        ]
        return unit(np.array(sums, dtype=np.float32).reshape(-1, 3))

    def encode_boxes(self, picture: Picture, boxes: FloatArray) -> FloatArray:
        scale = picture.pixels.shape[1] / picture.width
        colours = []
        for box in boxes * scale:
            x0, y0, x1, y1 = np.round(box).astype(int)
            colours.append(picture.pixels[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)].reshape(-1, 3).mean(axis=0))
        return unit(np.array(colours))
