"""One vector a picture, that of the whole of it: what image-text retrieval does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from reir.models.blend import read_blend
from reir.models.length import length_warnings, share_within
from reir.models.specification import ModelSpec
from reir.models.towers import RESIZE_MODES, ClipTower
from reir.types import FloatArray, Instances, ModelIdentity, Picture

FORMAT = 1
"""Of the way from weights and settings to vectors: counted up when it changes them."""
DEFAULT_TOWER = "ViT-B-32__openai"
OPTIONS = ("precision", "resize")
OWN = "own"
"""The resize mode that the tower's weights were trained with."""
_PRECISIONS = ("float32", "bfloat16")


class PictureClip:
    """The ``Model`` whose one instance of a picture is the picture: box the whole, objectness 1, vector the tower's.

    Its score is the cosine of picture and expression: the text-image retrieval (TIR) baselines of the CLARE paper
    (section 5.3, Table 3), and the first stage of its two-stage baselines (Table 1). Safe from several threads.

    Args:
        tower: any model of open_clip.
        name: the canonical name; equal models have equal names.
    """

    def __init__(self, tower: ClipTower, *, name: str) -> None:
        self.tower = tower
        self._name = name

    @cached_property
    def identity(self) -> ModelIdentity:
        """Canonical name, the hash of all weights and settings, and dimension E."""
        facts = {"format": FORMAT, "name": "picture-clip", "tower": self.tower.digest}
        fingerprint = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        return ModelIdentity(self._name, fingerprint, self.tower.dimension)

    @property
    def decode_side(self) -> int:
        """Four times what the tower sees, so that the shorter side of a long picture has pixels enough."""
        return 4 * self.tower.image_side

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
        """Nothing: the score has one part."""
        return {}

    def extract(self, pictures: Sequence[Picture]) -> list[Instances]:
        """One instance of each picture: the whole of it."""
        rows = self.tower.encode_pixels([picture.pixels for picture in pictures])
        return [
            Instances(
                np.array([[0, 0, picture.width, picture.height]], dtype=np.float32),
                np.ones(1, dtype=np.float32),
                row[None].astype(np.float32, copy=False),
            )
            for picture, row in zip(pictures, rows, strict=True)
        ]

    def encode(self, expressions: Sequence[str], *, blend: Mapping[str, float] | None = None) -> FloatArray:
        """The unit embeddings (Q, E) of expressions, as they are: no prompt is put around them.

        Raises:
            UsageError: ``blend`` has a number; there is nothing to blend.
        """
        read_blend(blend, {}, {})
        return self.tower.encode_texts(expressions)

    def encode_images(self, crops: Sequence[Picture]) -> FloatArray:
        """The unit embeddings (Q, E) of example pictures."""
        return self.tower.encode_pixels([crop.pixels for crop in crops])

    def as_query(self, vector: FloatArray) -> FloatArray:
        """The stored vector itself: pictures like this one."""
        return vector

    def text_warnings(self, expression: str) -> list[str]:
        """Words beyond the tower's context length."""
        return length_warnings(self.tower.dropped_words(expression))

    def share_read(self, expression: str) -> float:
        """Share of an expression's words within the tower's context length."""
        return share_within(expression, self.tower.dropped_words(expression))


def load(spec: ModelSpec, *, device: str = "auto") -> PictureClip:
    """The model of ``picture-clip:TOWER``, the tower as ``ARCH__PRETRAINED``, ``ARCH__/PATH/FILE`` or a folder.

    Raises:
        UsageError: an unknown option or tower.
        WeightsMissingError: published weights that are not on this machine; the message says how to get them.
    """
    spec.require_options(OPTIONS)
    resize = spec.choice("resize", OWN, (OWN, *RESIZE_MODES))
    precision = spec.choice("precision", "auto", ("auto", *_PRECISIONS))
    tower = ClipTower.load(
        spec.argument or DEFAULT_TOWER,
        device=device,
        resize_mode=None if resize == OWN else resize,
        precision=None if precision == "auto" else precision,
    )
    defaults = {"resize": OWN, "precision": "auto"}
    options = {key: value for key, value in spec.options.items() if value != defaults[key]}
    return PictureClip(tower, name=str(ModelSpec(spec.name, tower.name, options)))
