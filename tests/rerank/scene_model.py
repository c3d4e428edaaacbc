"""A perfect judge of things and no judge of places: the model of a scene graph that knows each object's looks alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reir.data.expressions.wording import SIZE_WORDS, names_of, plural_of
from reir.data.scenes.scene import COLOURS, Scene
from reir.protocols import Calibration
from reir.text.plurals import singular
from reir.types import FloatArray, Instances, ModelIdentity, Picture

SIZES = {word: size for size, words in SIZE_WORDS.items() for word in words}
UNITS = 400.0
"""Pixels of a scene unit."""


class SceneModel:
    """Scores 1 for an instance that a noun phrase means, else 0; a sentence counts as the thing that it begins to name.

    A vector has one place for each noun, colour and size that occur together in the scenes.
    """

    def __init__(self, scenes: Sequence[Scene]) -> None:
        looks = sorted({(thing.noun, thing.colour, thing.size) for scene in scenes for thing in scene.objects})
        self.places = {look: place for place, look in enumerate(looks)}
        self.nouns: dict[str, str] = {}
        for noun in sorted({look[0] for look in looks}):
            for name in (*names_of(noun), plural_of(noun), singular(plural_of(noun))):
                self.nouns.setdefault(name, noun)

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity("scene", f"scene-{hash(tuple(self.places))}", len(self.places))

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

    def instances_of(self, scene: Scene) -> Instances:
        """The true boxes of a scene's objects, in their order."""
        boxes = np.array([thing.box for thing in scene.objects], dtype=np.float32) * UNITS
        vectors = np.zeros((len(boxes), len(self.places)), dtype=np.float32)
        for row, thing in enumerate(scene.objects):
            vectors[row, self.places[thing.noun, thing.colour, thing.size]] = 1
        return Instances(boxes, np.ones(len(boxes), dtype=np.float32), vectors)

    def extract(self, pictures: Sequence[Picture]) -> list[Instances]:
        raise NotImplementedError("scenes are not seen but known: instances_of")

    def encode(self, expressions: Sequence[str], *, blend: Mapping[str, float] | None = None) -> FloatArray:
        return np.stack([self._encoded(text) for text in expressions])

    def _encoded(self, text: str) -> FloatArray:
        words = text.split()
        vector = np.zeros(len(self.places), dtype=np.float32)
        attributes = []
        while words and (words[0] in COLOURS or words[0] in SIZES or words[0] in ("the", "a", "an")):
            # "orange" is a colour and a fruit: a name comes before an attribute
            if " ".join(words) in self.nouns:
                break
            attributes.append(words.pop(0))
        ends = [end for end in range(len(words), 0, -1) if " ".join(words[:end]) in self.nouns]
        if not ends:
            return vector
        noun = self.nouns[" ".join(words[: ends[0]])]
        for (name, colour, size), place in self.places.items():
            fits = all(word in ("the", "a", "an", colour) or SIZES.get(word) == size for word in attributes)
            vector[place] = float(name == noun and fits)
        return vector

    def encode_images(self, crops: Sequence[Picture]) -> FloatArray:
        raise NotImplementedError("scenes are not seen but known")

    def as_query(self, vector: FloatArray) -> FloatArray:
        return vector

    def text_warnings(self, expression: str) -> list[str]:
        return []

    def share_read(self, expression: str) -> float:
        return 1.0
