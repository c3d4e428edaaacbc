"""SAM's masks with an image-text tower, and with a captioner: the offline half of TAS."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from reir.geometry.masks import encode_rle
from reir.models.detector_clip.crops import cut_crops
from reir.models.length import length_warnings, share_within
from reir.models.sam_clip.captioner import Captioner
from reir.models.sam_clip.crops import black_crop, blurred_crop
from reir.models.sam_clip.described import describe
from reir.models.sam_clip.parts import Parts
from reir.models.sam_clip.proposals import Masks, Proposer
from reir.models.sam_clip.scores import Layout
from reir.types import FloatArray, Instances, ModelIdentity, Picture


class SamClip:
    """The ``Model`` and ``CropModel`` of SAM, a tower and perhaps a captioner. Safe from several threads.

    TAS ("Text Augmented Spatial-aware Zero-shot Referring Image Segmentation"), sections 3.2 and 3.3: SAM's masks, each
    embedded as a crop with black background (V-score) and, with a captioner, described with its background blurred
    (P-score) and compared with the noun phrases of the picture's caption (N-score). A mask's predicted IoU is its
    objectness. Pictures are taken one by one, so that only one picture's masks and crops are in memory.

    *Differs from the paper*: the N-score of the index counts all noun phrases of the caption, also those that mean the
    expression's subject; a stage over the first hits computes it exactly from what ``details`` keep, and rectifies by
    place.
    """

    def __init__(self, parts: Parts, *, device: str = "auto") -> None:
        self.parts = parts
        self._device = device
        self._lock = threading.Lock()
        self._layout = Layout(parts.tower.dimension, captions=parts.captioner is not None)
        self._captioner = Captioner(parts.captioner, device=device) if parts.captioner else None

    @cached_property
    def identity(self) -> ModelIdentity:
        """Canonical name, the hash of all weights and settings, and dimension D: E, with captions 2 E + 1."""
        return ModelIdentity(self.parts.name, self.parts.fingerprint, self._layout.dimension)

    @property
    def decode_side(self) -> int:
        """What SAM sees: its masks have no finer edges."""
        return self.parts.sam_side

    @property
    def notice(self) -> str | None:
        """Nothing: its parts were trained on pictures of all kinds."""
        return None

    @property
    def calibration(self) -> None:
        """Nothing: what its scores mean was never measured."""
        return

    @property
    def blend(self) -> Mapping[str, float]:
        """With captions ``alpha``, the weight of the P-score, and ``lambda``, that of the N-score."""
        return self._layout.blend

    def extract(self, pictures: Sequence[Picture]) -> list[Instances]:
        """The kept masks of each picture, best predicted IoU first, with masks and what was said of them as details.

        Boxes are in pixels of the upright original, masks in those of ``picture.pixels``.
        """
        return [self._extract(picture) for picture in pictures]

    def encode(self, expressions: Sequence[str], *, blend: Mapping[str, float] | None = None) -> FloatArray:
        """Query vectors (Q, D) of expressions: q, with captions [q, α q, λ].

        Raises:
            UsageError: ``blend`` has an unknown number, or one that is out of range.
        """
        return self._layout.texts(self.parts.tower.encode_texts(expressions), blend)

    def encode_images(self, crops: Sequence[Picture]) -> FloatArray:
        """Query vectors (Q, D) of example crops, each embedded whole: they have no mask."""
        return self._layout.crops(self.parts.tower.encode_pixels([crop.pixels for crop in crops]))

    def as_query(self, vector: FloatArray) -> FloatArray:
        """The query vector (D,) of a stored instance's crop embedding v."""
        query: FloatArray = self._layout.crops(self._layout.crop_part(vector[None]))[0]
        return query

    def text_warnings(self, expression: str) -> list[str]:
        """Words beyond the tower's context length."""
        return length_warnings(self.parts.tower.dropped_words(expression))

    def share_read(self, expression: str) -> float:
        """Share of an expression's words within the tower's context length."""
        return share_within(expression, self.parts.tower.dropped_words(expression))

    def crop_vectors(self, vectors: FloatArray) -> FloatArray:
        """The unit embeddings v (N, E) within stored vectors (N, D)."""
        return self._layout.crop_part(vectors)

    def caption_vectors(self, vectors: FloatArray) -> FloatArray:
        """The unit embeddings p (N, E) of the captions within stored vectors (N, D), of a model with a captioner."""
        return self._layout.caption_part(vectors)

    @property
    def caption_reader(self) -> str | None:
        """Who read the noun phrases out of the captions; None without a captioner."""
        return self.parts.reader

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """The tower's unit embeddings (Q, E) of texts, with no prompt around them."""
        return self.parts.tower.encode_texts(texts)

    def encode_boxes(self, picture: Picture, boxes: FloatArray) -> FloatArray:
        """The unit embeddings (N, E) of boxes (N, 4) in pixels of the upright original.

        Plain crops: a box that was not proposed has no mask, so its background stays, unlike that of the index.
        """
        return self.parts.tower.encode_pixels(cut_crops(picture, boxes))

    def _extract(self, picture: Picture) -> Instances:
        pixels = picture.pixels
        with self._lock:
            proposer = self._proposer
        found = proposer.propose(pixels)
        crops = self.parts.tower.encode_pixels(
            [black_crop(pixels, mask, box) for mask, box in zip(found.masks, found.boxes, strict=True)]
        )
        details: list[dict[str, Any]] = [{"mask": encode_rle(mask)} for mask in found.masks]
        captions = negatives = None
        if self._captioner is not None:
            captions, negatives = self._describe(self._captioner, picture, found, crops, details)
        scale = np.array([picture.width / pixels.shape[1], picture.height / pixels.shape[0]] * 2, dtype=np.float32)
        vectors = self._layout.instances(crops, captions, negatives)
        return Instances(found.boxes * scale, found.objectness, vectors, tuple(details))

    def _describe(
        self, captioner: Captioner, picture: Picture, found: Masks, crops: FloatArray, details: list[dict[str, Any]]
    ) -> tuple[FloatArray, FloatArray]:
        """Caption embeddings p (N, E) and N-scores n (N,) of the masks; what was said is added to ``details``."""
        if not len(found):
            return crops, np.zeros(0, dtype=np.float32)
        blurred = [blurred_crop(picture.pixels, mask, box) for mask, box in zip(found.masks, found.boxes, strict=True)]
        of_picture, *captions = captioner.caption([picture.pixels, *blurred])
        reader = self.parts.reader or "rules"
        p, n, said = describe(of_picture, captions, crops, tower=self.parts.tower, reader=reader)
        for detail, more in zip(details, said, strict=True):
            detail.update(more)
        return p, n

    @cached_property
    def _proposer(self) -> Proposer:
        return Proposer(self.parts.sam, self.parts.settings, device=self._device)
