"""Spatial templates of detector-based matching: does the crop fit the expression, said with the box's place?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reir.models.specification import ModelSpec
from reir.protocols import Model
from reir.rerank.chain import noted
from reir.rerank.crop_scores import CropScorer, crop_model
from reir.rerank.look import Look
from reir.rerank.stage import Kind
from reir.types import Hit


def load(spec: ModelSpec) -> Templates:
    """The stage; it has no options: λ and τ are the search's blend."""
    spec.require_options(())
    return Templates()


class Templates:
    """Ŝ = (λ/τ)·S̄ + (1-λ)·objectness, S̄ the mean cosine of the crop's embedding to the prompts of the box's place.

    Paper: Bridging Detection and Language, section 3.1. The embeddings are those of the index, so no pixel is read.
    λ and τ come from the search's blend; a model without them counts as λ = τ = 1.
    """

    name = "templates"
    kind: Kind = "rerank"
    needs_expression = True
    needs_pixels = False
    hits_at_once = 1024

    def __init__(self) -> None:
        self._scorer = CropScorer(self.name)

    def check(self, model: Model) -> None:
        """Returns for a model whose instances are crops. Raises UsageError for others."""
        crop_model(model, self.name)

    def look(self, expression: str, hits: Sequence[Hit], look: Look) -> list[Hit]:
        """The hits with their new scores."""
        model = crop_model(look.model, self.name)
        cosines = self._scorer.of_hits(look.model, expression, model.crop_vectors(look.vectors(hits)), hits)
        share, temperature = look.blend.get("lambda", 1.0), look.blend.get("tau", 1.0)
        objectness = np.array([hit.objectness for hit in hits], dtype=np.float32)
        scores = share / temperature * cosines + (1 - share) * objectness
        return [
            noted(hit, self.name, {"score": score}, score=score)
            for hit, score in zip(hits, scores.tolist(), strict=True)
        ]
