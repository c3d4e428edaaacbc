"""Query vectors, and what of a query the model could not take in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from cachetools import LRUCache

from reir.errors import ReirError, UsageError
from reir.protocols import Model
from reir.search.cursor import Cursor
from reir.search.query import Example, Query, check_expression
from reir.search.request import SearchRequest
from reir.types import FloatArray, Picture

if TYPE_CHECKING:
    from reir.store import Snapshot

_Blend: TypeAlias = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class EncodedQuery:
    """A query as the index takes it: ``vector`` (D,) float32, and what the model could not take in of it.

    ``read`` is the share of the expression's words that it could.
    """

    vector: FloatArray
    expression: str | None = None
    warnings: tuple[str, ...] = ()
    read: float = 1.0


class Encoder:
    """Query vectors by one model; those of recent expressions come from memory. Safe from several threads."""

    def __init__(self, model: Model, *, remembered: int = 1024) -> None:
        """``remembered``: how many expressions are kept with their vectors."""
        self.model = model
        self._recent: LRUCache[tuple[str, _Blend], EncodedQuery] = LRUCache(remembered)
        self._lock = Lock()

    def encode(self, requests: Sequence[SearchRequest], snapshot: Snapshot) -> list[EncodedQuery | ReirError]:
        """The vector of each request's query, or what is wrong with it.

        All expressions that are not remembered go through the model in one batch for each blend. Errors that take the
        place of a query: UsageError for an empty or endless expression, an unknown blend and the cursor of another
        model's index, InstanceGoneError for an example whose picture was changed or removed.

        Raises:
            ValueError: a vector of another dimension than the model's, or one that holds NaN or infinity.
        """
        tidy: list[Query | ReirError] = [_tidy(request.query) for request in requests]
        asked: dict[_Blend, list[str]] = {}
        for request, query in zip(requests, tidy, strict=True):
            if isinstance(query, str):
                asked.setdefault(_blend_of(request), []).append(query)
        expressions = {blend: self._encode_expressions(texts, blend) for blend, texts in asked.items()}
        encoded: list[EncodedQuery | ReirError] = []
        for request, query in zip(requests, tidy, strict=True):
            if isinstance(query, ReirError):
                encoded.append(query)
            elif isinstance(query, str):
                found = expressions[_blend_of(request)]
                encoded.append(found if isinstance(found, ReirError) else found[query])
            else:
                try:
                    _require_no_blend(request)
                    encoded.append(self._encode_other(query, snapshot))
                except ReirError as error:
                    encoded.append(error)
        return encoded

    def encode_expression(self, expression: str, blend: Mapping[str, float] | None = None) -> EncodedQuery:
        """The query of one tidy expression. Raises UsageError for a blend that the model does not have."""
        encoded = self._encode_expressions([expression], tuple(sorted((blend or {}).items())))
        if isinstance(encoded, UsageError):
            raise encoded
        return encoded[expression]

    def _encode_expressions(self, expressions: Sequence[str], blend: _Blend) -> dict[str, EncodedQuery] | UsageError:
        with self._lock:
            known = {expression: self._recent.get((expression, blend)) for expression in expressions}
        fresh = [expression for expression, encoded in known.items() if encoded is None]
        encoded = {expression: query for expression, query in known.items() if query is not None}
        if fresh:
            try:
                check_blend(self.model, dict(blend))
                vectors = self.model.encode(fresh, blend=dict(blend))
            except UsageError as error:
                return error
            for expression, vector in zip(fresh, vectors, strict=True):
                warnings = tuple(self.model.text_warnings(expression))
                encoded[expression] = EncodedQuery(vector, expression, warnings, self.model.share_read(expression))
            with self._lock:
                self._recent.update({(expression, blend): encoded[expression] for expression in fresh})
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


def check_blend(model: Model, blend: Mapping[str, float]) -> None:
    """Returns when the model's score has parts of these names.

    Raises:
        UsageError: it has not; those that it has are named.
    """
    for name in blend:
        if name not in model.blend:
            known = ", ".join(f"{key} ({value:g})" for key, value in model.blend.items())
            has = f"it has {known}" if known else "its score has one part only"
            raise UsageError(f"{model.identity.name} has no {name!r} to blend; {has}")


def _require_no_blend(request: SearchRequest) -> None:
    # A cursor's vector is blended already; it is held to the blend of its first page by the conditions' digest.
    if request.blend and not isinstance(request.query, Cursor):
        raise UsageError("a blend mixes what a model says of an expression; this search is by example")


def _blend_of(request: SearchRequest) -> _Blend:
    return tuple(sorted((request.blend or {}).items()))


def _tidy(query: Query) -> Query | ReirError:
    try:
        return check_expression(query) if isinstance(query, str) else query
    except UsageError as error:
        return error
