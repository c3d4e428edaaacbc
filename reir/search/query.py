"""What is searched for, and how its query vector is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from cachetools import LRUCache

from reir.errors import ReirError, UsageError
from reir.protocols import Model
from reir.search.cursor import Cursor
from reir.types import FloatArray, Picture

if TYPE_CHECKING:
    from reir.store import Snapshot


@dataclass(frozen=True, slots=True)
class Example:
    """An instance found before, as the example of what is searched for."""

    instance_id: int


Query: TypeAlias = "str | Picture | Example | Cursor | FloatArray"
"""An expression, an example picture (a crop of the thing), an instance found before, the place where another page
ended, or a query vector (D,) float32."""

LONGEST_EXPRESSION = 2_000
"""Characters. Far beyond any model's text window; a longer text is a mistake (a file piped into the wrong place)."""


@dataclass(frozen=True, slots=True)
class EncodedQuery:
    """A query as the index takes it: ``vector`` (D,) float32, and what the model could not take in of it.

    ``read`` is the share of the expression's words that it could.
    """

    vector: FloatArray
    expression: str | None = None
    warnings: tuple[str, ...] = ()
    read: float = 1.0


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


class Encoder:
    """Query vectors by one model; those of recent expressions come from memory. Safe from several threads."""

    def __init__(self, model: Model, *, remembered: int = 1024) -> None:
        """``remembered``: how many expressions are kept with their vectors."""
        self.model = model
        self._recent: LRUCache[str, EncodedQuery] = LRUCache(remembered)
        self._lock = Lock()

    def encode(self, queries: Sequence[Query], snapshot: Snapshot) -> list[EncodedQuery | ReirError]:
        """The vector of each query, or what is wrong with it.

        All expressions that are not remembered go through the model in one batch. Errors that take the place of a
        query: UsageError for an empty or endless expression and for the cursor of another model's index,
        InstanceGoneError for an example whose picture was changed or removed.

        Raises:
            ValueError: a vector of another dimension than the model's, or one that holds NaN or infinity.
        """
        tidy: list[Query | ReirError] = [_tidy(query) for query in queries]
        expressions = self._encode_expressions([query for query in tidy if isinstance(query, str)])
        encoded: list[EncodedQuery | ReirError] = []
        for query in tidy:
            if isinstance(query, ReirError):
                encoded.append(query)
            elif isinstance(query, str):
                encoded.append(expressions[query])
            else:
                try:
                    encoded.append(self._encode_other(query, snapshot))
                except ReirError as error:
                    encoded.append(error)
        return encoded

    def _encode_expressions(self, expressions: Sequence[str]) -> dict[str, EncodedQuery]:
        with self._lock:
            known = {expression: self._recent.get(expression) for expression in expressions}
        fresh = [expression for expression, encoded in known.items() if encoded is None]
        encoded = {expression: query for expression, query in known.items() if query is not None}
        if fresh:
            vectors = self.model.encode(fresh)
            for expression, vector in zip(fresh, vectors, strict=True):
                warnings = tuple(self.model.text_warnings(expression))
                encoded[expression] = EncodedQuery(vector, expression, warnings, self.model.share_read(expression))
            with self._lock:
                self._recent.update({expression: encoded[expression] for expression in fresh})
        return encoded

    def _encode_other(self, query: Picture | Example | Cursor | FloatArray, snapshot: Snapshot) -> EncodedQuery:
        if isinstance(query, Picture):
            return EncodedQuery(self.model.encode_images([query])[0])
        if isinstance(query, Example):
            stored = snapshot.instances([query.instance_id]).vectors[0]
            return EncodedQuery(self.model.as_query(stored))
        identity = self.model.identity
        if isinstance(query, Cursor):
            if query.vector.shape != (identity.dimension,):
                raise UsageError("the cursor belongs to an index of another model. Search anew")
            read = 1.0 if query.expression is None else self.model.share_read(query.expression)
            return EncodedQuery(query.vector, query.expression, read=read)
        vector = np.asarray(query, dtype=np.float32)
        if vector.shape != (identity.dimension,):
            raise ValueError(f"a query vector of {identity.name} is ({identity.dimension},), got {vector.shape}")
        if not np.isfinite(vector).all():
            raise ValueError("a query vector must be finite, got NaN or infinity")
        return EncodedQuery(vector)


def _tidy(query: Query) -> Query | ReirError:
    try:
        return check_expression(query) if isinstance(query, str) else query
    except UsageError as error:
        return error
