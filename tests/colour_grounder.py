"""A real small grounder: the pixels whose colour is nearest to the expression's, as a mask and the box around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from reir.models.specification import ModelSpec
from reir.types import Grounding, Picture
from tests.grid_colour_model import WORDS, unit


def load(spec: ModelSpec, *, device: str) -> ColourGrounder:
    """``colour`` paints masks, ``colour,boxes=1`` gives boxes alone."""
    return ColourGrounder(masks="boxes" not in spec.options)


class ColourGrounder:
    """Finds the pixels that are more like the expression's colour words than like any other colour that it knows."""

    name = "colour"
    decode_side = 64

    def __init__(self, *, masks: bool = True) -> None:
        self._masks = masks
        self.asked: list[int] = []

    def prepare(self) -> None:
        """There is nothing to load."""

    def ground(
        self,
        questions: Sequence[tuple[Picture, str]],
        *,
        out_of_time: Callable[[], bool] = lambda: False,
    ) -> list[Grounding]:
        self.asked.append(len(questions))
        return [self._one(picture, text) for picture, text in questions]

    def _one(self, picture: Picture, text: str) -> Grounding:
        known = unit(np.array(list(WORDS.values())))
        wanted = unit(np.sum([WORDS[word] for word in text.split() if word in WORDS] or [(0, 0, 0)], axis=0))
        cosines = unit(picture.pixels.astype(float)) @ np.concatenate([wanted[None], known]).T.astype(float)
        mask = cosines[..., 0] >= cosines[..., 1:].max(axis=-1) - 1e-6
        rows, columns = np.nonzero(mask)
        scale = picture.width / picture.pixels.shape[1]
        if len(rows) == 0:
            return Grounding((0.0, 0.0, 1.0, 1.0), 0.0, mask if self._masks else None)
        x0, y0, x1, y1 = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        box = (float(x0 * scale), float(y0 * scale), float(x1 * scale), float(y1 * scale))
        return Grounding(box, float(cosines[..., 0].mean()), mask if self._masks else None)
