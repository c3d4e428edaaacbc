"""One query over one snapshot: encode, inner product, filter, group, look up the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from reir.errors import UsageError
from reir.protocols import Model
from reir.search.grouping import Candidate, group_by_image
from reir.search.query import Query, encode_query
from reir.types import FloatArray, Hit, SearchResult

if TYPE_CHECKING:
    from reir.store import ImageFilter, Snapshot

MOST_HITS = 10_000
"""The largest ``top``: beyond it, read the vectors themselves (``reir export``)."""

_FETCHED_AT_FIRST = 8
"""Instances fetched for each picture that is asked for; the fetch grows fourfold until enough pictures appeared."""


class Searcher:
    """Answers queries over one snapshot with the model that made its vectors. Holds no state of a query."""

    def __init__(self, snapshot: Snapshot, model: Model) -> None:
        self.snapshot = snapshot
        self.model = model

    def search(
        self,
        query: Query,
        *,
        top: int = 10,
        flat: bool = False,
        where: ImageFilter | None = None,
        min_score: float | None = None,
    ) -> SearchResult:
        """Ranked hits: ``top`` pictures, each placed by its best instance, or with ``flat`` the ``top`` instances.

        Equal scores stand in the order of their instance ids, so that the same search gives the same list.

        Args:
            query: an expression, an example picture, or a query vector (D,) float32.
            top: how many pictures (or instances), 1 to ``MOST_HITS``.
            flat: rank instances instead of pictures.
            where: conditions on the picture.
            min_score: leave out instances scored lower.

        Raises:
            UsageError: an empty expression, or ``top`` out of range.
        """
        if not 1 <= top <= MOST_HITS:
            raise UsageError(f"top must be 1 to {MOST_HITS}, got {top}")
        started = perf_counter()
        encoded = encode_query(self.model, query)
        encoded_at = perf_counter()
        groups = self._rank(encoded.vector, top, flat=flat, where=where, min_score=min_score)
        searched_at = perf_counter()
        hits = self._hits(groups, where)
        ended = perf_counter()
        notice = self.model.notice
        return SearchResult(
            expression=encoded.expression,
            model=self.snapshot.model.name,
            snapshot=self.snapshot.number,
            hits=hits,
            timings_ms={
                "encode": (encoded_at - started) * 1e3,
                "search": (searched_at - encoded_at) * 1e3,
                "metadata": (ended - searched_at) * 1e3,
                "total": (ended - started) * 1e3,
            },
            warnings=((notice,) if notice else ()) + encoded.warnings,
        )

    def _rank(
        self, vector: FloatArray, top: int, *, flat: bool, where: ImageFilter | None, min_score: float | None
    ) -> Sequence[Sequence[Candidate]]:
        """The hits of each place, best place first; ``image_id`` is the picture that owns the instance."""
        stored = self.snapshot.instance_count
        fetch = min(stored, top if flat else top * _FETCHED_AT_FIRST)
        while fetch:
            scores, ids = (found[0] for found in self.snapshot.search(vector[None, :], fetch, where=where))
            kept = ids >= 0 if min_score is None else (ids >= 0) & (scores >= min_score)
            image_ids = self.snapshot.instances(ids[kept]).image_ids
            ranking = [
                Candidate(float(score), int(instance), int(image))
                for score, instance, image in zip(scores[kept], ids[kept], image_ids, strict=True)
            ]
            if flat:
                return [[candidate] for candidate in ranking]
            groups, enough = group_by_image(ranking, top)
            if enough or not kept.all() or fetch == stored:
                return groups
            fetch = min(stored, fetch * 4)
        return []

    def _hits(self, groups: Sequence[Sequence[Candidate]], where: ImageFilter | None) -> tuple[Hit, ...]:
        placed = [(rank, candidate) for rank, group in enumerate(groups, start=1) for candidate in group]
        if not placed:
            return ()
        rows = self.snapshot.instances(np.array([candidate.instance_id for _, candidate in placed], dtype=np.int64))
        images = self.snapshot.resolve(sorted({candidate.image_id for _, candidate in placed}), where)
        hits = []
        for (rank, candidate), box, objectness in zip(placed, rows.boxes, rows.objectness, strict=True):
            image = images[candidate.image_id]
            x0, y0, x1, y1 = (float(value) for value in box)
            hits.append(
                Hit(
                    rank=rank,
                    score=candidate.score,
                    image_id=image.image_id,
                    external_id=image.external_id,
                    path=image.path,
                    width=image.width,
                    height=image.height,
                    box=(x0, y0, x1, y1),
                    objectness=float(objectness),
                    instance_id=candidate.instance_id,
                )
            )
        return tuple(hits)
