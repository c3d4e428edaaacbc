"""The two scores as inner products: what is stored of an instance, and what is asked of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from reir.models.blend import read_blend
from reir.models.towers import ClipTower
from reir.types import FloatArray

TEMPLATES = (
    "{}",
    "a photo of {}",
    "a picture of {}",
    "a cropped photo of {}",
    "an image that shows {}",
)
"""Prompts that name no place, the expression last. *Differs from the paper*: it gives none of its prompts; those that
name a place depend on the box and are the stage ``templates``."""

DEFAULT_LAMBDA = 0.7
DEFAULT_TAU = 0.07
"""The paper names λ and τ and gives no values. τ is the temperature with which CLIP's training begins (Radford et al.,
section 2.5). Crops of one picture differ by some hundredths in their cosine and by some tenths in their objectness:
with these values the expression outweighs the objectness about five times."""


class Score(Protocol):
    """How embedding e (N, E) and objectness o (N,) of instances, and embeddings of queries, become vectors."""

    @property
    def blend(self) -> Mapping[str, float]:
        """Numbers of the query vector, with their defaults."""
        ...

    def dimension(self, embedding: int) -> int:
        """Numbers of a vector, D, for embeddings of E numbers."""
        ...

    def instances(self, embeddings: FloatArray, objectness: FloatArray) -> FloatArray:
        """Vectors (N, D) of instances."""
        ...

    def embeddings(self, vectors: FloatArray) -> FloatArray:
        """The embeddings (N, E) within stored vectors (N, D)."""
        ...

    def prompts(self, expression: str) -> list[str]:
        """The texts whose mean embedding stands for an expression."""
        ...

    def queries(self, embeddings: FloatArray, blend: Mapping[str, float] | None = None) -> FloatArray:
        """Query vectors (Q, D) of the embeddings (Q, E) of texts or crops."""
        ...


class CosineScore:
    """The cosine of crop and expression (the paper's section 3.2): e and q themselves."""

    @property
    def blend(self) -> Mapping[str, float]:
        """Nothing: the score has one part."""
        return {}

    def dimension(self, embedding: int) -> int:
        """E."""
        return embedding

    def instances(self, embeddings: FloatArray, objectness: FloatArray) -> FloatArray:  # noqa: ARG002
        """The embeddings."""
        return embeddings

    def embeddings(self, vectors: FloatArray) -> FloatArray:
        """The vectors, back at length 1."""
        return unit(vectors)

    def prompts(self, expression: str) -> list[str]:
        """The expression as it is."""
        return [expression]

    def queries(self, embeddings: FloatArray, blend: Mapping[str, float] | None = None) -> FloatArray:
        """The embeddings."""
        read_blend(blend, {}, {})
        return embeddings


class BlendedScore:
    """Ŝ = (λ/τ)·S̄ + (1-λ)·o (the paper's section 3.1), S̄ the mean cosine to the prompts: [e, o] · [(λ/τ) q̄, 1-λ].

    q̄, the mean of the prompts' unit vectors, is not brought to length 1: a mean of cosines is an inner product with it.
    """

    @property
    def blend(self) -> Mapping[str, float]:
        """``lambda``, the weight of the expression against the objectness, and ``tau``, the cosine's temperature."""
        return {"lambda": DEFAULT_LAMBDA, "tau": DEFAULT_TAU}

    def dimension(self, embedding: int) -> int:
        """E + 1."""
        return embedding + 1

    def instances(self, embeddings: FloatArray, objectness: FloatArray) -> FloatArray:
        """[e, o]."""
        return np.concatenate([embeddings, objectness[:, None]], axis=1)

    def embeddings(self, vectors: FloatArray) -> FloatArray:
        """Their first E numbers, back at length 1."""
        return unit(vectors[:, :-1])

    def prompts(self, expression: str) -> list[str]:
        """The expression in every template."""
        return [template.format(expression) for template in TEMPLATES]

    def queries(self, embeddings: FloatArray, blend: Mapping[str, float] | None = None) -> FloatArray:
        """[(λ/τ) q̄, 1-λ]."""
        numbers = read_blend(blend, self.blend, {"lambda": (0.0, 1.0), "tau": (1e-3, 100.0)})
        share, temperature = numbers["lambda"], numbers["tau"]
        rest = np.full((len(embeddings), 1), 1 - share, dtype=np.float32)
        return np.concatenate([(share / temperature * embeddings).astype(np.float32), rest], axis=1)


def mean_texts(tower: ClipTower, prompts: Sequence[Sequence[str]]) -> FloatArray:
    """The mean (Q, E) of the unit embeddings of each query's prompts; all go through the tower together."""
    if not prompts:
        return np.zeros((0, tower.dimension), dtype=np.float32)
    rows = tower.encode_texts([text for texts in prompts for text in texts])
    means: FloatArray = rows.reshape(len(prompts), -1, tower.dimension).mean(axis=1, dtype=np.float32)
    return means


def unit(vectors: FloatArray) -> FloatArray:
    """The vectors (..., E) at length 1."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: FloatArray = (vectors / np.maximum(lengths, 1e-6)).astype(np.float32)
    return scaled
