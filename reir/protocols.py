"""What the parts expect of each other: structural types, no inheritance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy.typing as npt

from reir.types import FloatArray, Grounding, Instances, IntArray, ModelIdentity, Picture


class Calibration(Protocol):
    """What turns the scores of one model into chances; see ``reir.models.Calibration``."""

    @property
    def depth(self) -> int:
        """How many of the gallery's best scores it looks at."""
        ...

    def no_match(self, best: npt.ArrayLike, instances: int, *, read: float = 1.0) -> bool:
        """Whether nothing among ``instances`` fits, by the gallery's ``best`` scores (M,), descending."""
        ...

    def probabilities(
        self, scores: npt.ArrayLike, best: npt.ArrayLike, instances: int, *, read: float = 1.0
    ) -> npt.NDArray[Any]:
        """The chance (K,) of hits with these ``scores`` (K,) that they fit; no better score has a lower one."""
        ...


@runtime_checkable
class Model(Protocol):
    """A scorer whose score is an inner product of an instance vector and a query vector.

    Making one is cheap: weights and torch are loaded at the first call of ``extract`` or ``encode_images``;
    ``encode`` needs no torch where an exported text branch exists.
    """

    @property
    def identity(self) -> ModelIdentity:
        """Name, fingerprint of weights and settings, and dimension D."""
        ...

    @property
    def decode_side(self) -> int:
        """Longer side in pixels beyond which a decoded picture brings the model nothing."""
        ...

    @property
    def notice(self) -> str | None:
        """What every user of this model must be told (a demo model's narrow world), or None."""
        ...

    @property
    def calibration(self) -> Calibration | None:
        """What its scores for expressions mean, or None where that was never measured."""
        ...

    @property
    def blend(self) -> Mapping[str, float]:
        """The numbers that mix the parts of its score, with their defaults; each query may set others.

        They live in the query vector alone, so one index serves them all. Empty for a score of one part.
        """
        ...

    def extract(self, pictures: Sequence[Picture]) -> list[Instances]:
        """The kept instances of each picture; boxes in pixels of the upright original."""
        ...

    def encode(self, expressions: Sequence[str], *, blend: Mapping[str, float] | None = None) -> FloatArray:
        """Query vectors of the expressions, (Q, D) float32; ``blend`` replaces some of its own numbers."""
        ...

    def encode_images(self, crops: Sequence[Picture]) -> FloatArray:
        """Query vectors of example crops, (Q, D) float32."""
        ...

    def as_query(self, vector: FloatArray) -> FloatArray:
        """The query vector that finds instances like the one with this stored vector, (D,) float32."""
        ...

    def text_warnings(self, expression: str) -> list[str]:
        """What the text branch cannot take in of an expression: unknown or dropped words."""
        ...

    def share_read(self, expression: str) -> float:
        """Share of an expression's describing words that the text branch takes in; 1 for all of them."""
        ...


@runtime_checkable
class CropModel(Protocol):
    """A model whose instance vectors hold the embedding of the box's crop by an image-text tower of dimension E."""

    def crop_vectors(self, vectors: FloatArray) -> FloatArray:
        """The crops' unit embeddings (N, E) float32 within stored instance vectors (N, D)."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """The tower's unit embeddings (Q, E) float32 of texts, with no prompt around them."""
        ...

    def encode_boxes(self, picture: Picture, boxes: FloatArray) -> FloatArray:
        """The unit embeddings (N, E) float32 of boxes (N, 4), in pixels of the upright original; cropped as indexed."""
        ...


class Grounder(Protocol):
    """A method that finds an expression's object in a picture by itself, without proposals or an index.

    Making one is cheap: networks are loaded by ``prepare``, or by the first call of ``ground``. Safe from several
    threads.
    """

    @property
    def name(self) -> str:
        """As it is asked for."""
        ...

    @property
    def decode_side(self) -> int:
        """Longer side in pixels beyond which a decoded picture brings it nothing."""
        ...

    def prepare(self) -> None:
        """Load the networks, so that ``ground`` takes only the time of its work; returns at once if they are loaded.

        Raises:
            WeightsMissingError, UsageError: the weights are not here, or not those of such a method.
        """
        ...

    def ground(
        self, questions: Sequence[tuple[Picture, str]], *, out_of_time: Callable[[], bool] = lambda: False
    ) -> list[Grounding]:
        """The answer to each (picture, expression), worked on together.

        Once ``out_of_time`` says so, a method that goes step by step ends with what it has.
        """
        ...


class VectorStore(Protocol):
    """Exact or approximate maximum inner product search over numbered rows."""

    def add(self, ids: IntArray, vectors: FloatArray) -> None:
        """Add rows (N, D) under ids (N,)."""
        ...

    def search(self, queries: FloatArray, k: int, *, allowed: IntArray | None = None) -> tuple[FloatArray, IntArray]:
        """Scores (Q, k) and ids (Q, k), best first; missing places have id -1. ``allowed`` limits the ids."""
        ...

    def remove(self, ids: IntArray) -> None:
        """Forget rows."""
        ...

    def __len__(self) -> int: ...
