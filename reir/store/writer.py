"""The one writer of an index: collects changes and publishes them, all or none, as the next snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from reir.store.database import Database
from reir.store.filters import chunks, starts_with
from reir.store.garbage import collect
from reir.store.layout import Layout, sync
from reir.store.locks import FileLock
from reir.store.manifest import encode_files, encode_numbers, latest_snapshot, read_segments, read_shards
from reir.store.records import Columns, FileFacts, IndexInfo, KnownFile
from reir.store.segment import Segment, write_segment
from reir.store.shard import shards_to_merge, write_shard
from reir.store.tables import FOREVER, images, index_info, segments, shards, snapshots, tombstones
from reir.types import Instances, IntArray

_CURRENT = images.c.valid_to == FOREVER
_LIVE = (images.c.valid_to == FOREVER) & (images.c.status == "indexed")
# A live row first, else the last deleted one, whose image id a returning file gets back.
_BY_PATH = (
    select(images)
    .where(_CURRENT, images.c.path == bindparam("path"))
    .order_by(images.c.status == "deleted", images.c.image_id.desc())
    .limit(1)
)
_BY_ID = select(images).where(_CURRENT, images.c.image_id == bindparam("image_id"))
_BY_CONTENT = (
    select(images.c.source_image_id)
    .where(_LIVE, images.c.content_hash == bindparam("content_hash"))
    .order_by(images.c.image_id)
    .limit(1)
)
_BY_SOURCE = select(images.c.instance_count).where(_LIVE, images.c.source_image_id == bindparam("source")).limit(1)
_INSERT = insert(images)
_END = update(images).where(images.c.version == bindparam("ended")).values(valid_to=bindparam("end"))
_UNDO = delete(images).where(images.c.version == bindparam("ended"))


class Writer:
    """Changes to an index, invisible until `commit`. Leaving the context without it drops them. For one thread."""

    def __init__(self, info: IndexInfo, layout: Layout, database: Database, lock: FileLock) -> None:
        self.info = info
        self._layout = layout
        self._database = database
        self._lock = lock
        self._connection = database.connect_to_write()
        self._begin()
        collect(self._connection, layout, self._snapshot)

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
        query = query.where(_CURRENT, images.c.status != "deleted", *starts_with(prefix))
        rows = self._connection.execute(query)
        return {path: KnownFile(*facts) for path, *facts in rows}

    def source_of(self, content_hash: str) -> int | None:
        """The source image id of a live indexed picture with this content, for `add_duplicate`; None if there is none.

        Uncommitted pictures count.
        """
        found = self._connection.execute(_BY_CONTENT, {"content_hash": content_hash}).scalar()
        return None if found is None else int(found)

    def add(self, file: FileFacts, instances: Instances) -> int:
        """The image id of a new or changed picture with these instances; a known path keeps its id.

        Raises ValueError for vectors of another dimension, or beyond what float16 can hold.
        """
        with np.errstate(over="ignore"):
            vectors = instances.vectors.astype(np.float16)
        if vectors.shape[1] != self.info.model.dimension:
            raise ValueError(f"vectors must be (N, {self.info.model.dimension}), got {vectors.shape}")
        if not (np.isfinite(vectors).all() and np.isfinite(instances.boxes).all()):
            raise ValueError(f"vectors and boxes of {file.path} must be finite float16 and float32")
        old = self._row(_BY_PATH, path=file.path)
        image_id = self._next_image_id if old is None else old.image_id
        # A changed picture's instances get a source id of their own: a duplicate of its former content may live on.
        source = self._next_image_id
        self._next_image_id += 1
        self._pending[source] = Columns(
            np.full(len(vectors), source, np.int64), instances.boxes, instances.objectness, vectors
        )
        self._put(old, file, image_id, "indexed", source=source, instance_count=len(vectors))
        return int(image_id)

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
            changes |= {name: getattr(file, name) for name in ("width", "height", "orientation", "taken_at")}
            changes |= {"latitude": file.latitude, "longitude": file.longitude}
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
        count = 0
        for path in paths:
            old = self._row(_BY_PATH, path=path)
            if old is not None and old.status != "deleted":
                self._replace(old, status="deleted")
                count += 1
        return count

    def commit(self) -> int:
        """The number of the snapshot that holds all changes so far; the current one when there are none.

        Files are on the disk before the one transaction that names them. After an error the changes are lost.
        """
        if not self._changed:
            return self._snapshot
        try:
            self._publish()
        except BaseException:
            self.close()
            raise
        self._begin()
        collect(self._connection, self._layout, self._snapshot)
        return self._snapshot

    def close(self) -> None:
        """Drops what was not committed and lets another writer in; more calls do nothing."""
        self._connection.close()
        self._lock.close()

    def _begin(self) -> None:
        self._connection.rollback()
        self._snapshot = latest_snapshot(self._connection)
        counters = self._connection.execute(select(index_info)).one()
        self._next_image_id = int(counters.next_image_id)
        self._next_segment = int(counters.next_segment)
        self._next_shard = int(counters.next_shard)
        self._pending: dict[int, Columns] = {}
        self._loosened: set[int] = set()
        self._changed = False
        self._connection.rollback()

    def _row(self, query: Any, **values: object) -> Row[Any] | None:
        return self._connection.execute(query, values).first()

    def _id_for(self, old: Row[Any] | None) -> int:
        if old is not None:
            return int(old.image_id)
        self._next_image_id += 1
        return self._next_image_id - 1

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
        facts = asdict(file)
        if file.taken_at is not None:
            facts["taken_at"] = file.taken_at.replace(tzinfo=None)
        if old is not None and file.external_id is None:
            facts["external_id"] = old.external_id
        facts |= {"image_id": image_id, "status": status, "cause": cause}
        facts |= {"source_image_id": source, "instance_count": instance_count}
        if old is not None:
            self._end(old)
        self._insert(facts)
        return int(image_id)

    def _replace(self, old: Row[Any], **changes: object) -> None:
        self._end(old)
        self._insert({**old._mapping, **changes})

    def _end(self, old: Row[Any]) -> None:
        if old.status == "indexed":
            self._loosened.add(old.source_image_id)
        if old.valid_from > self._snapshot:
            self._connection.execute(_UNDO, {"ended": old.version})
        else:
            self._connection.execute(_END, {"ended": old.version, "end": self._snapshot + 1})

    def _insert(self, values: Mapping[str, Any]) -> None:
        row = {**values, "valid_from": self._snapshot + 1, "valid_to": FOREVER}
        row.pop("version", None)
        self._connection.execute(_INSERT, row)
        self._changed = True

    def _publish(self) -> None:
        connection, number = self._connection, self._snapshot + 1
        current = read_segments(connection, self._snapshot, self._layout, self.info.model.dimension)
        dead = self._dead_sources()
        for source in dead & self._pending.keys():
            del self._pending[source]
        self._write_tombstones(current, np.array(sorted(dead), np.int64), number)
        self._write_segment(current, number)
        by_status = select(images.c.status, func.count()).where(_CURRENT).group_by(images.c.status)
        counts = {status: int(count) for status, count in connection.execute(by_status)}
        stored = sum(segment.row_count for segment in current)
        numbers = [segment.number for segment in current]
        buried = connection.execute(
            select(func.coalesce(func.sum(tombstones.c.row_count), 0)).where(tombstones.c.segment.in_(numbers))
        ).scalar_one()
        connection.execute(
            insert(snapshots),
            {
                "number": number,
                "created_at": datetime.now(UTC).replace(tzinfo=None),
                "image_count": counts.get("indexed", 0),
                "failed_count": counts.get("failed", 0),
                "instance_count": stored - int(buried),
            },
        )
        connection.execute(
            update(index_info).values(
                next_image_id=self._next_image_id, next_segment=self._next_segment, next_shard=self._next_shard
            )
        )
        self._layout.pin(number).touch()
        sync(self._layout.pins)
        connection.commit()

    def _dead_sources(self) -> set[int]:
        """The sources that lost a picture and have none left."""
        alive: set[int] = set()
        for chunk in chunks(self._loosened):
            query = select(images.c.source_image_id).where(_LIVE, images.c.source_image_id.in_(chunk))
            alive.update(self._connection.scalars(query))
        return self._loosened - alive

    def _write_tombstones(self, current: list[Segment], dead: IntArray, number: int) -> None:
        for segment in current:
            sources, counts = np.unique(segment.image_ids[segment.rows_of(dead)], return_counts=True)
            rows = [
                {"segment": segment.number, "source_image_id": source, "row_count": count, "dead_from": number}
                for source, count in zip(sources.tolist(), counts.tolist(), strict=True)
            ]
            if rows:
                self._connection.execute(insert(tombstones), rows)

    def _write_segment(self, current: list[Segment], number: int) -> None:
        parts = [part for part in self._pending.values() if len(part)]
        if not parts:
            return
        columns = Columns(*(np.concatenate([getattr(p, name) for p in parts]) for name in _PARTS))
        segment = Segment(
            self._next_segment,
            len(columns),
            int(columns.image_ids[0]),
            int(columns.image_ids[-1]),
            write_segment(self._layout.segment(self._next_segment), columns),
            self._layout.segment(self._next_segment),
            self.info.model.dimension,
        )
        self._next_segment += 1
        current.append(segment)
        publish_segment(self._connection, segment, number)
        self._write_shard(current, number)

    def _write_shard(self, current: list[Segment], number: int) -> None:
        before = read_shards(self._connection, self._snapshot)
        merged = shards_to_merge([*(shard.row_count for shard in before), current[-1].row_count])
        superseded = before[len(before) + 1 - merged :] if merged else []
        by_number = {segment.number: segment for segment in current}
        covered = [by_number[s] for shard in superseded for s in shard.segments] + [current[-1]]
        if superseded:
            condition = shards.c.number.in_([shard.number for shard in superseded])
            self._connection.execute(update(shards).where(condition).values(valid_to=number))
        publish_shard(self._connection, self._layout, self._next_shard, covered, number)
        self._next_shard += 1


_PARTS = ("image_ids", "boxes", "objectness", "vectors")


def publish_segment(connection: Connection, segment: Segment, snapshot: int) -> None:
    """Names a written segment in the tables, visible from ``snapshot`` on."""
    connection.execute(
        insert(segments),
        {
            "number": segment.number,
            "row_count": segment.row_count,
            "first_source": segment.first_source,
            "last_source": segment.last_source,
            "files": encode_files(segment.files),
            "valid_from": snapshot,
            "valid_to": FOREVER,
        },
    )


def publish_shard(
    connection: Connection, layout: Layout, number: int, covered: Sequence[Segment], snapshot: int
) -> None:
    """Writes the shard of some segments and names it in the tables, visible from ``snapshot`` on."""
    path = layout.shard(number)
    path.unlink(missing_ok=True)
    files, largest_norm = write_shard(path, covered, covered[0].dimension)
    connection.execute(
        insert(shards),
        {
            "number": number,
            "segments": encode_numbers([segment.number for segment in covered]),
            "row_count": sum(segment.row_count for segment in covered),
            "largest_norm": largest_norm,
            "files": encode_files(files),
            "valid_from": snapshot,
            "valid_to": FOREVER,
        },
    )
