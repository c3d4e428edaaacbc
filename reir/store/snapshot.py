"""One snapshot of an index, as its readers see it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from cachetools import LRUCache

from reir.errors import InstanceGoneError
from reir.protocols import VectorStore
from reir.store.database import Database
from reir.store.export import export_parquet
from reir.store.image_table import ImageTable
from reir.store.layout import ROW_BITS, Layout
from reir.store.locks import FileLock
from reir.store.manifest import Manifest
from reir.store.ranking import best
from reir.store.records import ImageFilter, ImageRow, IndexInfo, InstanceBlock, InstanceRows, Ranking
from reir.store.segment import Segment
from reir.store.shard import SMALL, faiss_store, plain_store
from reir.types import FloatArray, IntArray

_FILTERS = 16
_REMEMBERED_ROWS = 4096
_LONG_LIST = 2000
_EMPTY: IntArray = np.empty(0, np.int64)


class Snapshot:
    """The pictures and instances of an index at one commit; safe to use from several threads.

    Its files stay until `close`, whatever a writer does meanwhile. Close it, or use it as a context manager.
    """

    def __init__(self, info: IndexInfo, layout: Layout, database: Database, manifest: Manifest, pin: FileLock) -> None:
        self.info = info
        self.number = manifest.number
        self.image_count = manifest.image_count
        self.instance_count = manifest.instance_count
        self.failed_count = manifest.failed_count
        self.model = info.model
        self._layout = layout
        self._database = database
        self._manifest = manifest
        self._pin = pin
        self._segments = {segment.number: segment for segment in manifest.segments}
        self._images = ImageTable(manifest.number, manifest.segments)
        self._stores: list[tuple[VectorStore, list[Segment]]] | None = None
        # A snapshot never changes, so neither does what a filter lets through; the common ones are asked repeatedly.
        self._filtered: dict[tuple[object, ...], IntArray] = {}
        self._sources: tuple[IntArray, IntArray] | None = None
        self._resolved: LRUCache[int, ImageRow] = LRUCache(_REMEMBERED_ROWS)
        self._lock = threading.Lock()

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def search(self, queries: FloatArray, k: int, *, where: ImageFilter | None = None) -> tuple[FloatArray, IntArray]:
        """Scores (Q, k) float32 and instance ids (Q, k) of the live instances with the greatest inner products.

        See `rank`, of which this is the ranking alone.
        """
        ranking = self.rank(queries, k, where=where)
        return ranking.scores, ranking.ids

    def rank(self, queries: FloatArray, k: int, *, where: ImageFilter | None = None) -> Ranking:
        """The live instances with the greatest inner products, and among how many they were found.

        Exact on the stored float16 vectors; score descending, then id ascending; missing places are -inf and -1.

        Args:
            queries: (Q, D) float32.
            k: how many for each query.
            where: only instances of pictures that satisfy it.
        """
        queries = np.ascontiguousarray(queries, np.float32)
        if queries.ndim != 2 or queries.shape[1] != self.model.dimension:
            raise ValueError(f"queries must be (Q, {self.model.dimension}), got {queries.shape}")
        if not np.isfinite(queries).all():
            raise ValueError("queries must be finite, got nan or infinity")
        if k < 0:
            raise ValueError(f"k must not be negative, got {k}")
        sources = None
        if where is not None and not where.lets_all_through:
            sources = self._sources_of(where)
        scores: list[FloatArray] = [np.empty((len(queries), 0), np.float32)]
        ids: list[IntArray] = [np.empty((len(queries), 0), np.int64)]
        searched = self.instance_count if sources is None else 0
        for store, segments in self._open_stores():
            allowed = None
            if sources is not None:
                allowed = np.concatenate(
                    [_EMPTY, *(self._live_rows(segment, sources) + segment.first_id for segment in segments)]
                )
                if len(allowed) == 0:
                    continue
                searched += len(allowed)
            found_scores, found_ids = store.search(queries, k, allowed=allowed)
            scores.append(found_scores)
            ids.append(found_ids)
        all_scores, all_ids = np.concatenate(scores, axis=1), np.concatenate(ids, axis=1)
        ranked = [best(s[i >= 0], i[i >= 0], k) for s, i in zip(all_scores, all_ids, strict=True)]
        if not ranked:
            return Ranking(np.empty((0, k), np.float32), np.empty((0, k), np.int64), searched)
        return Ranking(np.stack([s for s, _ in ranked]), np.stack([i for _, i in ranked]), searched)

    def instances(self, ids: Sequence[int] | IntArray) -> InstanceRows:
        """The instances of these ids, in their order.

        An id from before the last compaction is understood. Raises InstanceGoneError for one whose picture was changed
        or removed.
        """
        numbers = np.asarray(ids, np.int64).reshape(-1)
        rows = InstanceRows(
            np.empty(len(numbers), np.int64),
            np.empty((len(numbers), 4), np.float32),
            np.empty(len(numbers), np.float32),
            np.empty((len(numbers), self.model.dimension), np.float32),
        )
        for segment, places, inside in self._stored_at(numbers):
            rows.image_ids[places] = segment.image_ids[inside]
            rows.boxes[places] = segment.boxes[inside]
            rows.objectness[places] = segment.objectness[inside]
            rows.vectors[places] = segment.vectors[inside]
        return rows

    def details(self, ids: Sequence[int] | IntArray) -> list[dict[str, Any]]:
        """What the model knew of the instances of these ids beside box and vector (see ``Instances``), in their order.

        Ids as in `instances`.
        """
        numbers = np.asarray(ids, np.int64).reshape(-1)
        found: list[dict[str, Any]] = [{} for _ in numbers]
        for segment, places, inside in self._stored_at(numbers):
            if segment.details is not None:
                for place, row in zip(places.tolist(), inside.tolist(), strict=True):
                    found[place] = segment.details.json_object(row)
        return found

    def images(self, image_ids: Iterable[int]) -> dict[int, ImageRow]:
        """Image id -> row, deleted pictures too; unknown ids are left out."""
        with self._database.read() as connection:
            return self._images.by_id(connection, image_ids)

    def resolve(self, source_image_ids: Iterable[int], where: ImageFilter | None = None) -> dict[int, ImageRow]:
        """Source image id -> the live row with that content that satisfies the filter, of several the first."""
        if where is not None and not where.lets_all_through:
            with self._database.read() as connection:
                return self._images.of_sources(connection, source_image_ids, where)
        # Those of earlier searches are remembered: asking the tables takes longer than all else of a small search.
        sources = list(source_image_ids)
        with self._lock:
            rows = {source: row for source in sources if (row := self._resolved.get(source)) is not None}
        missing = [source for source in sources if source not in rows]
        if missing:
            with self._database.read() as connection:
                found = self._images.of_sources(connection, missing, None)
            with self._lock:
                self._resolved.update(found)
            rows |= found
        return rows

    def image_by_path(self, path: str) -> ImageRow | None:
        """The live row of a path relative to the root, or None."""
        with self._database.read() as connection:
            return self._images.by_path(connection, path)

    def all_images(self, status: str | None = None) -> Iterator[ImageRow]:
        """Rows by ascending image id: those of one status, by default the live ones (indexed and failed)."""
        with self._database.read() as connection:
            yield from self._images.all(connection, status)

    def blocks(self, rows: int = 65536) -> Iterator[InstanceBlock]:
        """All live instances by ascending id, at most ``rows`` at a time; vectors (N, D) float32."""
        for segment in self._manifest.segments:
            dead = self._dead(segment)
            for start in range(0, segment.row_count, rows):
                inside = np.arange(start, min(start + rows, segment.row_count))
                if len(dead):
                    inside = inside[~np.isin(segment.image_ids[inside], dead)]
                if len(inside):
                    yield _block(segment, inside)

    def instances_of(self, image_id: int) -> InstanceBlock:
        """The instances of one picture, best objectness first as the model gave them; empty if it has none."""
        row = self.images([image_id]).get(image_id)
        if row is None or row.segment is None:
            d = self.model.dimension
            none = np.empty(0, np.float32)
            return InstanceBlock(_EMPTY, _EMPTY, none.reshape(0, 4), none, none.reshape(0, d))
        segment = self._segments[row.segment]
        return _block(segment, segment.rows_of(np.array([row.source_image_id], np.int64)))

    def instances_beside(self, ids: Sequence[int] | IntArray) -> list[InstanceBlock]:
        """For each of these ids, all instances of its picture, itself among them; blocks as of `instances_of`.

        Ids as in `instances`. Read from the arrays alone: no table is asked which picture an instance is of.
        """
        numbers = np.asarray(ids, np.int64).reshape(-1)
        blocks: dict[int, InstanceBlock] = {}
        for segment, places, inside in self._stored_at(numbers):
            sources = segment.image_ids[inside].tolist()
            each = np.array(sorted(set(sources)), np.int64)
            together = _block(segment, segment.rows_of(each))
            ends = np.searchsorted(together.image_ids, each, "right").tolist()
            of_source = {
                source: together.part(start, end)
                for source, start, end in zip(each.tolist(), [0, *ends], ends, strict=False)
            }
            blocks |= {place: of_source[source] for place, source in zip(places.tolist(), sources, strict=True)}
        return [blocks[place] for place in range(len(numbers))]

    def export(self, path: Path) -> int:
        """How many rows were written to one Parquet file: every instance with path, ids, box, vector and details."""
        pictures: dict[int, list[ImageRow]] = {}
        for row in self.all_images("indexed"):
            pictures.setdefault(row.source_image_id, []).append(row)
        return export_parquet(path, self.blocks(), self.details, pictures, self.model.dimension)

    def close(self) -> None:
        """Lets the writer remove this snapshot's files once they are superseded."""
        self._pin.close()

    def _sources_of(self, where: ImageFilter) -> IntArray:
        if where.image_ids is not None and len(where.image_ids) > _LONG_LIST and where.lists_ids_only:
            return self._sources_of_list(np.asarray(where.image_ids, np.int64))
        key = (where.path_prefix, where.after, where.before)
        listed = where.image_ids is not None or where.external_ids is not None
        if not listed and key in self._filtered:
            return self._filtered[key]
        with self._database.read() as connection:
            sources = self._images.sources_of(connection, where)
        if not listed and len(self._filtered) < _FILTERS:
            self._filtered[key] = sources
        return sources

    def _sources_of_list(self, image_ids: IntArray) -> IntArray:
        # 100,000 ids take 10 ms here once the whole column is at hand, and 200 ms in SQL.
        with self._lock:
            if self._sources is None:
                with self._database.read() as connection:
                    self._sources = self._images.all_sources(connection)
        known, sources = self._sources
        found: IntArray = np.unique(sources[np.isin(known, image_ids)])
        return found

    def _live_rows(self, segment: Segment, sources: IntArray) -> IntArray:
        dead = self._dead(segment)
        return segment.rows_of(sources[~np.isin(sources, dead)] if len(dead) else sources)

    def _dead(self, segment: Segment) -> IntArray:
        return self._manifest.dead.get(segment.number, _EMPTY)

    def _stored_at(self, numbers: IntArray) -> Iterator[tuple[Segment, IntArray, IntArray]]:
        """Segments with the places of ``numbers`` that they hold, and the rows these have there."""
        current = self._current_ids(numbers)
        # Not np.unique, whose first call imports numpy.ma: 50 ms of every search from a cold process.
        for number in set((current >> ROW_BITS).tolist()):
            segment = self._segments[number]
            places = np.flatnonzero(current >> ROW_BITS == number)
            inside = current[places] - segment.first_id
            gone = np.isin(segment.image_ids[inside], self._dead(segment))
            if gone.any():
                raise InstanceGoneError(int(numbers[places[np.flatnonzero(gone)[0]]]))
            yield segment, places, inside

    def _current_ids(self, numbers: IntArray) -> IntArray:
        # Those that a search has just given, which are by far the most, are all of this snapshot.
        segments = numbers >> ROW_BITS
        rows = numbers & ((1 << ROW_BITS) - 1)
        known = np.zeros(len(numbers), np.bool_)
        for number in set(segments.tolist()) & self._segments.keys():
            known |= (segments == number) & (rows < self._segments[number].row_count)
        current = numbers.copy()
        for place in np.flatnonzero(~known):
            current[place] = self._current_id(int(numbers[place]))
        return current

    def _current_id(self, number: int) -> int:
        segment = self._segments.get(number >> ROW_BITS)
        if segment is not None:
            if number - segment.first_id < segment.row_count:
                return number
            raise InstanceGoneError(number)
        for segment in self._segments.values():
            rows = np.flatnonzero(segment.old_ids == number)
            if len(rows):
                return segment.first_id + int(rows[0])
        raise InstanceGoneError(number)

    def _open_stores(self) -> list[tuple[VectorStore, list[Segment]]]:
        with self._lock:
            if self._stores is None:
                self._stores = list(self._make_stores())
            return self._stores

    def _make_stores(self) -> Iterator[tuple[VectorStore, list[Segment]]]:
        dimension = self.model.dimension
        if sum(segment.row_count for segment in self._manifest.segments) * dimension <= SMALL:
            groups = [(plain_store(self._manifest.segments, dimension), list(self._manifest.segments))]
        else:
            groups = []
            for shard in self._manifest.shards:
                segments = [self._segments[number] for number in shard.segments]
                groups.append((faiss_store(self._layout.shard(shard.number), shard, segments, dimension), segments))
        for store, segments in groups:
            dead = [segment.rows_of(self._dead(segment)) + segment.first_id for segment in segments]
            gone = np.concatenate([_EMPTY, *dead])
            if len(gone):
                store.remove(gone)
            yield store, segments


def _block(segment: Segment, rows: IntArray) -> InstanceBlock:
    return InstanceBlock(
        rows + segment.first_id,
        np.asarray(segment.image_ids[rows]),
        np.asarray(segment.boxes[rows]),
        np.asarray(segment.objectness[rows]),
        segment.vectors[rows].astype(np.float32),
    )
