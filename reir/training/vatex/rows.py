"""Batches of VATEX: pictures, expressions of their objects with true masks, and which of them form triplets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from reir.imaging import GREY
from reir.models.towers import TowerSource
from reir.models.vatex.config import VatexConfig
from reir.models.vatex.nouns import main_object
from reir.models.vatex.pixels import STRIDE, as_prior_input
from reir.models.vatex.prior import prior_side
from reir.models.vatex.words import CONTEXT_LENGTH, tokenize
from reir.types import Picture


@dataclass
class MaskBatch:
    """P pictures and R rows, each an expression about one of them."""

    pixels: Tensor
    """(P, H, W, 3) uint8; H and W are multiples of 32."""
    padding: Tensor | None
    """(P, H, W) bool, True right of and below a picture; None where no picture is padded."""
    picture: Tensor
    """(R,) int64, the picture of each row."""
    masks: Tensor
    """(R, H, W) bool, the object that the expression means."""
    token_ids: Tensor
    """(R, T) int64."""
    token_mask: Tensor
    """(R, T) bool."""
    triplets: Tensor
    """(K, 3) int64: two rows that mean one object, and one that means another object of their picture."""
    prior_pixels: Tensor | None = None
    """(P, 3, S, S), the pictures as the frozen CLIP takes them; None without CLIP Prior."""
    prompt_ids: Tensor | None = None
    """(R, T') int64, "A photo of ..." with the main noun phrase of each row; None without CLIP Prior."""


@dataclass
class Sample:
    """One picture (h, w, 3) uint8 with its rows: expressions, masks (h, w), and the rows of its triplet, if any."""

    pixels: npt.NDArray[np.uint8]
    texts: list[str] = field(default_factory=list)
    masks: list[npt.NDArray[np.bool_]] = field(default_factory=list)
    triplet: tuple[int, int, int] | None = None


class Composer:
    """Makes batches as one network takes them: its tokens, its sides, and what its frozen CLIP sees."""

    def __init__(self, config: VatexConfig) -> None:
        source = None if config.tower is None else TowerSource.find(config.tower)
        self._context = CONTEXT_LENGTH
        if source is not None:
            self._context = int(source.model_config["text_cfg"].get("context_length", CONTEXT_LENGTH))
        self._preprocess = source.preprocess if source is not None and config.clip_prior else None
        self._side = 0
        if source is not None and config.clip_prior:
            self._side = config.prior_side or prior_side(source)

    def compose(self, samples: Sequence[Sample]) -> MaskBatch:
        """The batch of these pictures, padded to the largest sides."""
        shapes = np.array([sample.pixels.shape[:2] for sample in samples])
        height, width = (-(-shapes.max(axis=0) // STRIDE) * STRIDE).tolist()
        pixels = np.full((len(samples), height, width, 3), GREY, dtype=np.uint8)
        padding = np.ones((len(samples), height, width), dtype=bool)
        texts = [text for sample in samples for text in sample.texts]
        masks = np.zeros((len(texts), height, width), dtype=bool)
        picture: list[int] = []
        triplets: list[list[int]] = []
        for p, sample in enumerate(samples):
            h, w = sample.pixels.shape[:2]
            pixels[p, :h, :w] = sample.pixels
            padding[p, :h, :w] = False
            if sample.triplet is not None:
                triplets.append([len(picture) + row for row in sample.triplet])
            for mask in sample.masks:
                masks[len(picture), :h, :w] = mask
                picture.append(p)
        ids, words = tokenize(texts, context_length=self._context)
        batch = MaskBatch(
            pixels=torch.from_numpy(pixels),
            padding=torch.from_numpy(padding) if padding.any() else None,
            picture=torch.tensor(picture, dtype=torch.int64),
            masks=torch.from_numpy(masks),
            token_ids=ids,
            token_mask=words,
            triplets=torch.tensor(triplets, dtype=torch.int64).reshape(-1, 3),
        )
        if self._preprocess is not None:
            pictures = [Picture(s.pixels, s.pixels.shape[1], s.pixels.shape[0]) for s in samples]
            batch.prior_pixels = as_prior_input(pictures, self._preprocess, self._side)
            batch.prompt_ids, _ = tokenize([main_object(text).prompt for text in texts], context_length=self._context)
        return batch


def draw_rows(
    counts: Sequence[int], wanted: int, rng: np.random.Generator
) -> tuple[list[tuple[int, int]], tuple[int, int, int] | None]:
    """``wanted`` rows (object, expression) of a picture whose objects have ``counts`` expressions, and their triplet.

    The first two rows mean one object and the third another one, where the picture has such (section 3.3); the others
    are drawn from all expressions. No row comes twice while there are others. Without a triplet all rows are drawn so.

    Raises:
        ValueError: no object has an expression.
    """
    pool = [(item, text) for item, count in enumerate(counts) for text in range(count)]
    if not pool:
        raise ValueError("a picture without expressions has no rows")
    chosen: list[tuple[int, int]] = []
    several = [item for item, count in enumerate(counts) if count > 1]
    if wanted >= 3 and several and sum(count > 0 for count in counts) > 1:
        positive = several[int(rng.integers(len(several)))]
        first, second = (int(text) for text in rng.permutation(counts[positive])[:2])
        others = [row for row in pool if row[0] != positive]
        # An object first, then one of its expressions: much described objects are no better negatives.
        negative = sorted({item for item, _ in others})[int(rng.integers(len({item for item, _ in others})))]
        chosen = [(positive, first), (positive, second), (negative, int(rng.integers(counts[negative])))]
    triplet = (0, 1, 2) if chosen else None
    left = [row for row in pool if row not in chosen]
    chosen += [left[i] for i in rng.permutation(len(left))[: wanted - len(chosen)]]
    while len(chosen) < wanted:
        chosen.append(pool[int(rng.integers(len(pool)))])
    return chosen, triplet
