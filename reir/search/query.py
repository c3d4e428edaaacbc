"""What is searched for: an expression, an example picture or a vector, and its query vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from reir.errors import UsageError
from reir.protocols import Model
from reir.types import FloatArray, Picture

Query: TypeAlias = "str | Picture | FloatArray"
"""An expression, an example picture (a crop of the thing), or a query vector (D,) float32."""

LONGEST_EXPRESSION = 2_000
"""Characters. Far beyond any model's text window; a longer text is a mistake (a file piped into the wrong place)."""


@dataclass(frozen=True, slots=True)
class EncodedQuery:
    """A query as the index takes it: ``vector`` (D,) float32, and what the model could not take in of it."""

    vector: FloatArray
    expression: str | None
    warnings: tuple[str, ...]


def check_expression(expression: str) -> str:
    """The expression without surrounding or repeated blanks.

    Raises:
        UsageError: it is empty or longer than ``LONGEST_EXPRESSION`` characters.
    """
    tidy = " ".join(expression.split())
    if not tidy:
        raise UsageError('the expression is empty. Describe one thing, for example: reir search "a red cup on a table"')
    if len(tidy) > LONGEST_EXPRESSION:
        raise UsageError(f"the expression has {len(tidy)} characters; at most {LONGEST_EXPRESSION} are allowed")
    return tidy


def encode_query(model: Model, query: Query) -> EncodedQuery:
    """The query's vector in the model's space, with the model's warnings about it.

    Raises:
        UsageError: an empty or endless expression.
        ValueError: a vector of another dimension than the model's, or one that holds NaN or infinity.
    """
    if isinstance(query, str):
        expression = check_expression(query)
        return EncodedQuery(model.encode([expression])[0], expression, tuple(model.text_warnings(expression)))
    if isinstance(query, Picture):
        return EncodedQuery(model.encode_images([query])[0], None, ())
    vector = np.asarray(query, dtype=np.float32)
    if vector.shape != (model.identity.dimension,):
        raise ValueError(
            f"a query vector of {model.identity.name} is ({model.identity.dimension},), got {vector.shape}"
        )
    if not np.isfinite(vector).all():
        raise ValueError("a query vector must be finite, got NaN or infinity")
    return EncodedQuery(vector, None, ())
