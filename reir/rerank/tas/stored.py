"""TAS over what ``sam-clip`` stored: no pixel is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from reir.errors import UsageError
from reir.protocols import CropModel, Model
from reir.rerank.chain import noted
from reir.rerank.look import Look
from reir.rerank.stage import Kind
from reir.rerank.tas.scores import Weights, parts_of, subject_noun
from reir.types import FloatArray, Hit


@runtime_checkable
class CaptionModel(CropModel, Protocol):
    """A crop model whose vectors also hold the embeddings of the crops' captions, read by ``caption_reader``."""

    @property
    def caption_reader(self) -> str | None:
        """Who read the noun phrases out of the captions; None for a model without a captioner."""
        ...

    def caption_vectors(self, vectors: FloatArray) -> FloatArray:
        """The unit embeddings (N, E) of captions within stored vectors (N, D)."""
        ...


class StoredTas:
    """S = V + αP + λN over the embeddings, captions and phrases that the index holds.

    Paper: TAS, section 3.3. Against the inner product of the index, N leaves out the phrases that mean the expression's
    subject; where there are none, both scores are equal up to float16 rounding.
    """

    name = "tas"
    kind: Kind = "rerank"
    needs_expression = True
    needs_pixels = False
    hits_at_once = 1024

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    def check(self, model: Model) -> None:
        """Returns for a model that stored captions. Raises UsageError for others."""
        _caption_model(model)

    def look(self, expression: str, hits: Sequence[Hit], look: Look) -> list[Hit]:
        """The hits with their new scores."""
        model = _caption_model(look.model)
        alpha, lambda_ = self._weights.of_search(look.blend)
        vectors = look.vectors(hits)
        query = model.encode_texts([expression])[0]
        v, p = model.crop_vectors(vectors) @ query, model.caption_vectors(vectors) @ query
        subject = subject_noun(expression, model.caption_reader or "auto")
        similarity = self._weights.similarity
        scored = []
        for row, (hit, known) in enumerate(zip(hits, look.details([hit.instance_id for hit in hits]), strict=True)):
            cosines = np.array(known["phrase_cosines"], dtype=np.float32)
            parts = parts_of(
                float(v[row]), float(p[row]), known["phrases"], cosines, subject=subject, similarity=similarity
            )
            score = parts.total(alpha, lambda_)
            note = {"caption": known["caption"], **parts.note(score)}
            scored.append(noted(hit, self.name, note, score=score))
        return scored


def _caption_model(model: Model) -> CaptionModel:
    if isinstance(model, CaptionModel) and model.caption_reader is not None:
        return model
    raise UsageError(
        f"tas compares stored captions with the expression, and {model.identity.name} has stored none. Either index "
        "with --model sam-clip:TOWER,captioner=NAME, or name what looks at the pixels: "
        "--rerank tas:TOWER,captioner=NAME (for example tas:ViT-B-32__openai)"
    )
