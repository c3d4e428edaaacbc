"""Queries over one snapshot: encode, inner product, filter, group, look up the pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from reir.errors import ReirError, UsageError
from reir.protocols import Model
from reir.rerank import Look, SnapshotLook
from reir.search.cursor import Cursor
from reir.search.encoder import EncodedQuery, Encoder
from reir.search.grouping import Candidate, group_by_image
from reir.search.query import Query
from reir.search.request import MOST_HITS, SearchRequest
from reir.search.second_look import SecondLook, added
from reir.types import FloatArray, Hit, IntArray, SearchResult

if TYPE_CHECKING:
    from reir.store import ImageFilter, Snapshot

_FETCHED_AT_FIRST = 8
"""Instances fetched for each picture that is asked for; the fetch grows fourfold until enough pictures appeared."""


@dataclass(slots=True)
class _Search:
    """One request on its way to its answer."""

    request: SearchRequest
    query: EncodedQuery
    places: list[list[Candidate]] = field(default_factory=list)
    """Best first: the picture's boxes at each place, or one box; ``image_id`` is the picture that owns the instance."""
    more: bool = False
    """Whether another place follows."""
    best: FloatArray | None = None
    """The best scores of all the instances searched, as many as the calibration looks at; None without one."""
    searched: int = 0
    """Number of the instances searched."""
    look: Look | None = None
    """For the stages; None where none is asked for."""
    reranked: tuple[Hit, ...] | None = None
    """The best instances as the rerank stages left them, once they have run."""
    stage_timings_ms: Mapping[str, float] = field(default_factory=dict)
    stage_warnings: tuple[str, ...] = ()

    @property
    def last_place(self) -> int:
        """The number of the last place that is asked for, counted over all pages."""
        return min(self.request.places_before + self.request.top, MOST_HITS)


class Searcher:
    """Answers queries over one snapshot with the model that made its vectors. Holds no state of a query."""

    def __init__(self, snapshot: Snapshot, model: Model | Encoder, second_look: SecondLook | None = None) -> None:
        """A searcher.

        Args:
            snapshot: what is searched.
            model: the model, or an encoder that remembers what it encoded for earlier snapshots.
            second_look: the stages, and the orders that they found for earlier pages.
        """
        self.snapshot = snapshot
        self.encoder = model if isinstance(model, Encoder) else Encoder(model)
        self.second_look = second_look or SecondLook(self.encoder.model)
        self.calibration = self.encoder.model.calibration

    def search(
        self,
        query: Query,
        *,
        top: int = 10,
        flat: bool = False,
        where: ImageFilter | None = None,
        min_score: float | None = None,
    ) -> SearchResult:
        """The answer to one query; the arguments are those of `SearchRequest`.

        Raises:
            UsageError: an empty expression, or ``top`` out of range.
            InstanceGoneError: the example's picture was changed or removed.
        """
        (answer,) = self.search_many([SearchRequest(query, top, flat, where, min_score)])
        if isinstance(answer, ReirError):
            raise answer
        return answer

    def search_many(self, requests: Sequence[SearchRequest]) -> list[SearchResult | ReirError]:
        """The answer to each request: ``top`` pictures, each placed by its best instance, or ``top`` instances.

        Requests are answered together: expressions are encoded in one batch, and those under the same conditions share
        one pass over the vectors. Equal scores stand in the order of their instance ids, so that the same search
        gives the same list. What only concerns one request (an example that is gone) takes the place of its answer.
        """
        started = perf_counter()
        encoded = [
            self._checked(request, query)
            for request, query in zip(requests, self.encoder.encode(requests, self.snapshot), strict=True)
        ]
        searches = [
            _Search(request, query, look=self._look(request))
            for request, query in zip(requests, encoded, strict=True)
            if not isinstance(query, ReirError)
        ]
        encoded_at = perf_counter()
        self._rank(searches)
        searched_at = perf_counter()
        hits = self._hits(searches)
        looked_up_at = perf_counter()
        hits = [self._finished(search, found) for search, found in zip(searches, hits, strict=True)]
        ended = perf_counter()
        timings = {
            "encode": (encoded_at - started) * 1e3,
            "search": (searched_at - encoded_at) * 1e3,
            "metadata": (looked_up_at - searched_at) * 1e3,
            "total": (ended - started) * 1e3,
        }
        answers = iter([self._answer(search, found, timings) for search, found in zip(searches, hits, strict=True)])
        return [query if isinstance(query, ReirError) else next(answers) for query in encoded]

    def _rank(self, searches: Sequence[_Search]) -> None:
        """Fill in the places of each search; those under the same conditions share a pass over the vectors."""
        together: dict[int, list[_Search]] = {}
        for search in searches:
            together.setdefault(id(search.request.where), []).append(search)
        for waiting in together.values():
            where = waiting[0].request.where
            fetch = min(self.snapshot.instance_count, max(self._first_fetch(search) for search in waiting))
            while waiting and fetch:
                vectors = np.stack([search.query.vector for search in waiting])
                ranking = self.snapshot.rank(vectors, fetch, where=where)
                everything = fetch == self.snapshot.instance_count
                for search, its_scores, its_ids in zip(waiting, ranking.scores, ranking.ids, strict=True):
                    self._note_best(search, its_scores[its_ids >= 0], ranking.searched)
                waiting = [
                    search
                    for search, its_scores, its_ids in zip(waiting, ranking.scores, ranking.ids, strict=True)
                    if not self._place(search, its_scores, its_ids) and not everything
                ]
                fetch = min(self.snapshot.instance_count, fetch * 4)

    def _place(self, search: _Search, scores: FloatArray, ids: IntArray) -> bool:
        """Fill in the places from the best instances; False if more of them may be needed."""
        request = search.request
        kept = ids >= 0
        if request.min_score is not None:
            kept &= scores >= request.min_score
        image_ids = self.snapshot.instances(ids[kept]).image_ids
        columns = (scores[kept].tolist(), ids[kept].tolist(), image_ids.tolist())
        ranking = [Candidate(*row) for row in zip(*columns, strict=True)]
        if search.look is not None:
            ranking = self._reranked(search, search.look, ranking)
        if request.flat:
            places, more = [[candidate] for candidate in ranking[: search.last_place]], len(ranking) > search.last_place
        else:
            places, more = group_by_image(ranking, search.last_place, request.boxes)
        if search.look is not None:
            places = places[request.places_before :]  # in the order of the stages, scores need not fall
        elif isinstance(request.query, Cursor):
            end = (-request.query.score, request.query.instance_id)
            places = [place for place in places if (-place[0].score, place[0].instance_id) > end]
        search.places, search.more = places, more and search.last_place < MOST_HITS
        return more or not bool(kept.all())

    def _first_fetch(self, search: _Search) -> int:
        places = search.last_place + 1 if search.request.flat else search.last_place * _FETCHED_AT_FIRST
        staged = search.request.stages.top if search.look is not None else 0
        return max(places, staged, self.calibration.depth if self.calibration is not None else 0)

    def _checked(self, request: SearchRequest, query: EncodedQuery | ReirError) -> EncodedQuery | ReirError:
        if not isinstance(query, ReirError):
            try:
                self.second_look.check(request.stages, query.expression)
            except UsageError as error:
                return error
        return query

    def _look(self, request: SearchRequest) -> Look | None:
        if request.stages.empty:
            return None
        return SnapshotLook(self.snapshot, self.encoder.model, request.blend)

    def _reranked(self, search: _Search, look: Look, ranking: list[Candidate]) -> list[Candidate]:
        """The ranking with its best instances in the order of the rerank stages, which run once a search."""
        top = search.request.stages.top
        best = ranking[:top]
        if search.reranked is None:

            def hits() -> tuple[Hit, ...]:
                return self._hits([replace(search, places=[[candidate] for candidate in best])])[0]

            looked = self.second_look.rerank(search.request, search.query, look, hits)
            search.reranked = looked.hits
            search.stage_timings_ms, search.stage_warnings = looked.timings_ms, looked.warnings
        owners = {candidate.instance_id: candidate.image_id for candidate in best}
        reordered = [Candidate(hit.score, hit.instance_id, owners[hit.instance_id]) for hit in search.reranked]
        return reordered + ranking[top:]

    def _finished(self, search: _Search, hits: tuple[Hit, ...]) -> tuple[Hit, ...]:
        """The hits with what the stages that look at shown hits make of them."""
        if search.look is None:
            return hits
        looked = self.second_look.finish(search.request, search.query, search.look, hits)
        search.stage_timings_ms = added(search.stage_timings_ms, looked.timings_ms)
        search.stage_warnings += looked.warnings
        return looked.hits

    def _note_best(self, search: _Search, scores: FloatArray, searched: int) -> None:
        # Before any minimum score, and whatever the page: what is known of the gallery depends on neither.
        if self.calibration is not None and search.query.expression is not None:
            search.best, search.searched = scores[: self.calibration.depth], searched

    def _probabilities(self, search: _Search) -> Iterator[float | None]:
        """The chance of each hit of a search, in their order; None for examples, whose scores were not calibrated."""
        scores = [candidate.score for place in search.places for candidate in place]
        if self.calibration is None or search.best is None:
            return iter([None] * len(scores))
        chances = self.calibration.probabilities(scores, search.best, search.searched, read=search.query.read)
        return iter(chances.tolist())

    def _no_match(self, search: _Search) -> bool | None:
        if self.calibration is None or search.query.expression is None:
            return None
        best = search.best if search.best is not None else ()
        return self.calibration.no_match(best, search.searched, read=search.query.read)

    def _hits(self, searches: Sequence[_Search]) -> list[tuple[Hit, ...]]:
        """The hits of each search, with boxes and pictures looked up for all of them at once."""
        placed = [
            (number, search.request.places_before + rank, candidate)
            for number, search in enumerate(searches)
            for rank, place in enumerate(search.places, start=1)
            for candidate in place
        ]
        hits: list[list[Hit]] = [[] for _ in searches]
        if not placed:
            return [()] * len(searches)
        rows = self.snapshot.instances(np.array([candidate.instance_id for _, _, candidate in placed], dtype=np.int64))
        sources: dict[int, set[int]] = {}
        for number, _, candidate in placed:
            sources.setdefault(id(searches[number].request.where), set()).add(candidate.image_id)
        filters = {id(search.request.where): search.request.where for search in searches}
        chances = [self._probabilities(search) for search in searches]
        images = {key: self.snapshot.resolve(sorted(ids), filters[key]) for key, ids in sources.items()}
        measures = zip(placed, rows.boxes.tolist(), rows.objectness.tolist(), strict=True)
        reranked = [{hit.instance_id: hit for hit in search.reranked or ()} for search in searches]
        for (number, rank, candidate), (x0, y0, x1, y1), objectness in measures:
            chance = next(chances[number])
            known = reranked[number].get(candidate.instance_id)
            if known is not None:
                hits[number].append(replace(known, rank=rank))
                continue
            image = images[id(searches[number].request.where)][candidate.image_id]
            hits[number].append(
                Hit(
                    rank=rank,
                    score=candidate.score,
                    image_id=image.image_id,
                    external_id=image.external_id,
                    path=image.path,
                    width=image.width,
                    height=image.height,
                    box=(x0, y0, x1, y1),
                    objectness=objectness,
                    instance_id=candidate.instance_id,
                    probability=chance,
                )
            )
        return [tuple(found) for found in hits]

    def _answer(self, search: _Search, hits: tuple[Hit, ...], timings: Mapping[str, float]) -> SearchResult:
        request, query = search.request, search.query
        cursor = None
        if search.more:
            last = search.places[-1][0]
            cursor = Cursor(
                snapshot=self.snapshot.number,
                conditions=request.conditions,
                places=search.last_place,
                score=last.score,
                instance_id=last.instance_id,
                vector=query.vector,
                expression=query.expression,
            ).encode()
        notice = self.encoder.model.notice
        return SearchResult(
            expression=query.expression,
            model=self.snapshot.model.name,
            snapshot=self.snapshot.number,
            hits=hits,
            timings_ms={**timings, **search.stage_timings_ms},
            warnings=((notice,) if notice else ()) + query.warnings + search.stage_warnings,
            no_match=self._no_match(search),
            next_cursor=cursor,
        )
