"""TAS: the masked crop, its caption and the picture's other noun phrases, scored against the expression."""

from __future__ import annotations

from reir.models.specification import ModelSpec
from reir.rerank.tas.pixels import PixelTas
from reir.rerank.tas.pixels import load as load_pixels
from reir.rerank.tas.scores import Parts, Weights
from reir.rerank.tas.stored import StoredTas

__all__ = ["Parts", "PixelTas", "StoredTas", "Weights", "load"]

_WEIGHTS = ("alpha", "lambda", "similarity")


def load(spec: ModelSpec, *, device: str = "auto") -> StoredTas | PixelTas:
    """The stage over what the index stored, or, where a tower, captioner or kind of mask is named, over pixels.

    Raises:
        UsageError: an unknown option, or one that is out of range.
    """
    weights = Weights(
        alpha=_number(spec, "alpha"),
        lambda_=_number(spec, "lambda"),
        similarity=spec.number("similarity", 1.0, low=0.01, high=1.0),
    )
    if spec.argument is None and not set(spec.options) - set(_WEIGHTS):
        return StoredTas(weights)
    return load_pixels(spec, weights, own=_WEIGHTS, device=device)


def _number(spec: ModelSpec, key: str) -> float | None:
    return spec.number(key, 0.0, low=-10, high=10) if key in spec.options else None
