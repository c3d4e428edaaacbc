"""Reading the image table as of a snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, select
from sqlalchemy.sql import ColumnElement

from reir.store.filters import among, conditions_of
from reir.store.records import ImageFilter, ImageRow
from reir.store.segment import Segment
from reir.store.tables import images, visible
from reir.types import IntArray

_COLUMNS = [images.c[name] for name in ImageRow.__dataclass_fields__ if name != "segment"]
_ROW = select(*_COLUMNS)


class ImageTable:
    """The image rows that are visible in one snapshot, with the segments that their sources lie in."""

    def __init__(self, snapshot: int, segments: Sequence[Segment]) -> None:
        self._visible = visible(images, snapshot)
        ordered = sorted(segments, key=lambda segment: segment.first_source)
        self._numbers = [segment.number for segment in ordered]
        self._first_sources = np.array([segment.first_source for segment in ordered], np.int64)

    def by_id(self, connection: Connection, image_ids: Iterable[int]) -> dict[int, ImageRow]:
        """Rows by image id, deleted pictures too; unknown ids are left out."""
        numbers = [int(number) for number in image_ids]
        query = _ROW.where(self._visible, among(connection, images.c.image_id, numbers))
        return {row.image_id: self._record(row) for row in connection.execute(query)}

    def by_path(self, connection: Connection, path: str) -> ImageRow | None:
        """The live row of a path."""
        row = connection.execute(_ROW.where(self._visible, images.c.path == path, images.c.status != "deleted")).first()
        return None if row is None else self._record(row)

    def of_sources(
        self, connection: Connection, sources: Iterable[int], where: ImageFilter | None
    ) -> dict[int, ImageRow]:
        """Source id -> the indexed row of lowest image id with that content that satisfies the filter."""
        numbers = [int(number) for number in sources]
        query = _ROW.where(self._visible, images.c.status == "indexed")
        query = query.where(among(connection, images.c.source_image_id, numbers))
        # The lists of a filter may be long and these rows are few: they are compared here.
        allowed = None if where is None or where.image_ids is None else set(where.image_ids)
        external = None if where is None or where.external_ids is None else set(where.external_ids)
        if where is not None:
            query = query.where(*conditions_of(where))
        found: dict[int, ImageRow] = {}
        for row in connection.execute(query.order_by(images.c.image_id)):
            if row.source_image_id in found:
                continue
            if (allowed is None or row.image_id in allowed) and (external is None or row.external_id in external):
                found[row.source_image_id] = self._record(row)
        return found

    def sources_of(self, connection: Connection, where: ImageFilter) -> IntArray:
        """The source ids, ascending, of all indexed pictures that satisfy the filter."""
        query = select(images.c.source_image_id)
        query = query.where(self._visible, images.c.status == "indexed", *conditions_of(where))
        if where.image_ids is not None:
            query = query.where(among(connection, images.c.image_id, [int(number) for number in where.image_ids]))
        if where.external_ids is not None:
            query = query.where(among(connection, images.c.external_id, where.external_ids))
        return np.unique(np.array(connection.scalars(query).all(), np.int64))

    def all_sources(self, connection: Connection) -> tuple[IntArray, IntArray]:
        """Image ids (M,), ascending, and source ids (M,) of all indexed pictures."""
        query = select(images.c.image_id, images.c.source_image_id)
        query = query.where(self._visible, images.c.status == "indexed").order_by(images.c.image_id)
        pairs = np.array([tuple(row) for row in connection.execute(query)], np.int64).reshape(-1, 2)
        return pairs[:, 0].copy(), pairs[:, 1].copy()

    def all(self, connection: Connection, status: str | None) -> Iterator[ImageRow]:
        """Rows by ascending image id: those of one status, by default indexed and failed."""
        condition: ColumnElement[bool] = images.c.status != "deleted" if status is None else images.c.status == status
        query = _ROW.where(self._visible, condition).order_by(images.c.image_id)
        for row in connection.execute(query.execution_options(yield_per=1000)):
            yield self._record(row)

    def _record(self, row: Row[Any]) -> ImageRow:
        segment = None
        if row.instance_count and row.status == "indexed" and self._numbers:
            place = int(np.searchsorted(self._first_sources, row.source_image_id, "right")) - 1
            segment = self._numbers[place]
        values: list[Any] = list(row)
        values.insert(-1, segment)
        return ImageRow(*values)
