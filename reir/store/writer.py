"""The one writer of an index: collects changes and publishes them, all or none, as the next snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any

import numpy as np
from sqlalchemy import Row, bindparam, select

from reir.store.details import Details
from reir.store.filters import among, starts_with
from reir.store.publication import CURRENT, LIVE, Publication
from reir.store.records import Columns, FileFacts, KnownFile
from reir.store.tables import images
from reir.types import Instances

# A live row first, else the last deleted one, whose image id a returning file gets back.
_BY_PATH = (
    select(images)
    .where(CURRENT, images.c.path == bindparam("path"))
    .order_by(images.c.status == "deleted", images.c.image_id.desc())
    .limit(1)
)
_BY_ID = select(images).where(CURRENT, images.c.image_id == bindparam("image_id"))
_BY_CONTENT = (
    select(images.c.source_image_id)
    .where(LIVE, images.c.content_hash == bindparam("content_hash"))
    .order_by(images.c.image_id)
    .limit(1)
)
_BY_SOURCE = select(images.c.instance_count).where(LIVE, images.c.source_image_id == bindparam("source")).limit(1)


class Writer:
    """Changes to an index, invisible until `commit`. Leaving the context without it drops them. For one thread."""

    def __init__(self, publication: Publication) -> None:
        self.info = publication.info
        self._next = publication
        self._connection = publication.connection
        self._pending: dict[int, Columns] = {}
        self._loosened: set[int] = set()

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def known_files(self, prefix: str = "") -> dict[str, KnownFile]:
        """Path -> what the index last saw there, of the live pictures (indexed and failed) with this path prefix."""
        names = ("path", "image_id", "size", "mtime_ns", "content_hash", "status", "external_id")
        query = select(*(images.c[name] for name in names))
        query = query.where(CURRENT, images.c.status != "deleted", *starts_with(prefix))
        return {path: KnownFile(*facts) for path, *facts in self._connection.execute(query)}

    def source_of(self, content_hash: str) -> int | None:
        """The source image id of a live indexed picture with this content, for `add_duplicate`; None if there is none.

        Uncommitted pictures count.
        """
        found = self._connection.execute(_BY_CONTENT, {"content_hash": content_hash}).scalar()
        return None if found is None else int(found)

    def add(self, file: FileFacts, instances: Instances) -> int:
        """The image id of a new or changed picture with these instances; a known path keeps its id.

        Raises ValueError for vectors of another dimension or beyond what float16 can hold, and for details that are
        not JSON.
        """
        with np.errstate(over="ignore"):
            vectors = instances.vectors.astype(np.float16)
        if vectors.shape[1] != self.info.model.dimension:
            raise ValueError(f"vectors must be (N, {self.info.model.dimension}), got {vectors.shape}")
        if not (np.isfinite(vectors).all() and np.isfinite(instances.boxes).all()):
            raise ValueError(f"vectors and boxes of {file.path} must be finite float16 and float32")
        old = self._row(_BY_PATH, path=file.path)
        # A changed picture's instances get a source id of their own: a duplicate of its former content may live on.
        source = self._next.new_image_id()
        image_id = source if old is None else int(old.image_id)
        numbers = np.full(len(vectors), source, np.int64)
        details = None if instances.details is None else Details.of(instances.details)
        self._pending[source] = Columns(numbers, instances.boxes, instances.objectness, vectors, details=details)
        return self._put(old, file, image_id, "indexed", source=source, instance_count=len(vectors))

    def add_duplicate(self, file: FileFacts, source_image_id: int) -> int:
        """The image id of a new or changed picture that shares the instances of a source (see `source_of`)."""
        count = self._connection.execute(_BY_SOURCE, {"source": source_image_id}).scalar()
        if count is None:
            raise ValueError(f"no live picture has the source {source_image_id}")
        old = self._row(_BY_PATH, path=file.path)
        return self._put(old, file, self._id_for(old), "indexed", source=source_image_id, instance_count=count)

    def move(self, image_id: int, file: FileFacts) -> None:
        """Gives a picture a new path; its content is the same. A live picture at that path counts as deleted."""
        there = self._row(_BY_PATH, path=file.path)
        if there is not None and there.image_id != image_id and there.status != "deleted":
            self._replace(there, status="deleted")
        self.touch(image_id, file)

    def touch(self, image_id: int, file: FileFacts) -> None:
        """Notes the file facts of a picture whose content is the same; what the facts leave open stays as it was."""
        old = self._row(_BY_ID, image_id=image_id)
        if old is None:
            raise ValueError(f"no picture has the id {image_id}")
        changes: dict[str, Any] = {"path": file.path, "size": file.size, "mtime_ns": file.mtime_ns}
        if file.width and file.height:
            changes |= {name: getattr(file, name) for name in ("width", "height", "orientation")}
            changes |= {"taken_at": _wall_clock(file), "latitude": file.latitude, "longitude": file.longitude}
        if file.content_hash is not None:
            changes["content_hash"] = file.content_hash
        if file.external_id is not None:
            changes["external_id"] = file.external_id
        if old.status == "deleted":
            changes["status"] = "failed" if old.cause else "indexed"
        self._replace(old, **changes)

    def fail(self, file: FileFacts, cause: str) -> int:
        """The image id of a file that cannot be read, kept with its cause."""
        old = self._row(_BY_PATH, path=file.path)
        image_id = self._id_for(old)
        return self._put(old, file, image_id, "failed", source=image_id, cause=cause)

    def delete(self, paths: Sequence[str]) -> int:
        """How many live pictures were removed. A picture that comes back at the same path gets its id back."""
        there = CURRENT & (images.c.status != "deleted") & among(self._connection, images.c.path, paths)
        rows = self._connection.execute(select(images.c.source_image_id, images.c.status).where(there)).all()
        self._loosened.update(row.source_image_id for row in rows if row.status == "indexed")
        if rows:
            self._next.change_rows(there, status="deleted")
        return len(rows)

    def commit(self) -> int:
        """The number of the snapshot that holds all changes so far; the current one when there are none.

        Files are on the disk before the one transaction that names them. After an error the changes are lost.
        """
        try:
            dead = self._dead_sources()
            # What was added and removed again before it was published is never written.
            columns = _joined(part for source, part in self._pending.items() if source not in dead)
            self._bury(dead)
            if columns is not None:
                self._next.add_segment(columns)
            number = self._next.publish()
        except BaseException:
            self.close()
            raise
        self._pending, self._loosened = {}, set()
        return number

    def close(self) -> None:
        """Drops what was not committed and lets another writer in; more calls do nothing."""
        self._next.close()

    def _row(self, query: Any, **values: object) -> Row[Any] | None:
        return self._connection.execute(query, values).first()

    def _id_for(self, old: Row[Any] | None) -> int:
        return self._next.new_image_id() if old is None else int(old.image_id)

    def _put(
        self,
        old: Row[Any] | None,
        file: FileFacts,
        image_id: int,
        status: str,
        *,
        source: int,
        instance_count: int = 0,
        cause: str | None = None,
    ) -> int:
        values = {name: getattr(file, name) for name in FileFacts.__slots__}
        values |= {"taken_at": _wall_clock(file), "image_id": image_id, "status": status, "cause": cause}
        values |= {"source_image_id": source, "instance_count": instance_count}
        if old is not None:
            if file.external_id is None:
                values["external_id"] = old.external_id
            self._end(old)
        self._next.insert_row(values)
        return image_id

    def _replace(self, old: Row[Any], **changes: object) -> None:
        self._end(old)
        self._next.insert_row({**old._mapping, **changes})

    def _end(self, old: Row[Any]) -> None:
        if old.status == "indexed":
            self._loosened.add(old.source_image_id)
        self._next.end_row(old)

    def _dead_sources(self) -> set[int]:
        """The sources that lost a picture and have none left."""
        named = among(self._connection, images.c.source_image_id, self._loosened)
        return self._loosened.difference(self._connection.scalars(select(images.c.source_image_id).where(LIVE, named)))

    def _bury(self, dead: set[int]) -> None:
        sources = np.array(sorted(dead), np.int64)
        for segment in self._next.current_segments():
            rows = segment.rows_of(sources)
            if len(rows):
                numbers, counts = np.unique(segment.image_ids[rows], return_counts=True)
                self._next.bury(segment, dict(zip(numbers.tolist(), counts.tolist(), strict=True)))


def _wall_clock(file: FileFacts) -> Any:
    return None if file.taken_at is None else file.taken_at.replace(tzinfo=None)


def _joined(parts: Iterable[Columns]) -> Columns | None:
    filled = [part for part in parts if len(part)]
    return Columns.concatenate(filled) if filled else None
