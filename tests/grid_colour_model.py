"""A real scorer small enough to reason about: colours of a grid's cells, searched by colour words.

It keeps the whole pipeline honest in tests at a few microseconds a picture: every vector can be checked by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reir.protocols import Calibration
from reir.types import FloatArray, Instances, ModelIdentity, Picture

WORDS = {
    "red": (1, 0, 0),
    "green": (0, 1, 0),
    "blue": (0, 0, 1),
    "yellow": (1, 1, 0),
    "white": (1, 1, 1),
}


def unit(vectors: np.ndarray) -> FloatArray:
    """Vectors scaled to length 1 (zero stays zero)."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.maximum(norms, 1e-6)).astype(np.float32)


class GridColourModel:
    """Cuts a picture into ``cells`` x ``cells`` boxes; a box's vector is its mean colour."""

    def __init__(self, cells: int = 2, fingerprint: str = "grid-colour-1") -> None:
        self.cells = cells
        self._fingerprint = fingerprint
        self.extracted = 0

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity("grid-colour", f"{self._fingerprint}-{self.cells}", 3)

    @property
    def decode_side(self) -> int:
        return 64

    @property
    def notice(self) -> str | None:
        return None

    @property
    def calibration(self) -> Calibration | None:
        return None

    @property
    def blend(self) -> Mapping[str, float]:
        return {}

    def extract(self, pictures: Sequence[Picture]) -> list[Instances]:
        self.extracted += len(pictures)
        return [self._extract_one(picture) for picture in pictures]

    def _extract_one(self, picture: Picture) -> Instances:
        rows, columns = picture.pixels.shape[:2]
        boxes, colours = [], []
        for j in range(self.cells):
            for i in range(self.cells):
                y0, y1 = rows * j // self.cells, max(rows * (j + 1) // self.cells, 1)
                x0, x1 = columns * i // self.cells, max(columns * (i + 1) // self.cells, 1)
                boxes.append((x0 / columns, y0 / rows, x1 / columns, y1 / rows))
                colours.append(picture.pixels[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)].reshape(-1, 3).mean(axis=0))
        scale = np.array([picture.width, picture.height] * 2)
        brightness = np.array([colour.mean() / 255 for colour in colours], dtype=np.float32)
        order = np.argsort(-brightness, kind="stable")
        return Instances(
            (np.array(boxes) * scale).astype(np.float32)[order], brightness[order], unit(np.array(colours))[order]
        )

    def encode(self, expressions: Sequence[str], *, blend: Mapping[str, float] | None = None) -> FloatArray:
        sums = [
            np.sum([WORDS[word] for word in text.lower().split() if word in WORDS] or [(0, 0, 0)], axis=0)
            for text in expressions
        ]
        return unit(np.array(sums, dtype=np.float32).reshape(-1, 3))

    def encode_images(self, crops: Sequence[Picture]) -> FloatArray:
        return unit(np.array([crop.pixels.reshape(-1, 3).mean(axis=0) for crop in crops]).reshape(-1, 3))

    def as_query(self, vector: FloatArray) -> FloatArray:
        return vector

    def text_warnings(self, expression: str) -> list[str]:
        unknown = [word for word in expression.lower().split() if word not in WORDS]
        return [f"words this model does not know: {', '.join(unknown)}"] if unknown else []

    def share_read(self, expression: str) -> float:
        words = expression.lower().split()
        return sum(word in WORDS for word in words) / max(len(words), 1)
