"""The next snapshot in the making: rows and files that become visible together, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, cast, delete, func, insert, select, update
from sqlalchemy.sql import ColumnElement

from reir.store.database import Database
from reir.store.filters import among
from reir.store.garbage import collect
from reir.store.layout import Layout, sync
from reir.store.locks import FileLock, release_writer
from reir.store.manifest import encode_files, encode_numbers, latest_snapshot, read_info, read_segments, read_shards
from reir.store.records import Columns, IndexInfo
from reir.store.segment import Segment, grouped, write_segment
from reir.store.shard import FAN_IN, SHARD_ROWS, shards_to_merge, write_shard
from reir.store.tables import FOREVER, images, index_info, segments, shards, snapshots, tombstones

CURRENT = images.c.valid_to == FOREVER
LIVE = (images.c.valid_to == FOREVER) & (images.c.status == "indexed")

_INSERT = insert(images)
_END = update(images).where(images.c.version == bindparam("ended")).values(valid_to=bindparam("end"))
_UNDO = delete(images).where(images.c.version == bindparam("ended"))


class Publication:
    """One open transaction under the writer's lock. Whoever changes an index does it through this.

    New files are written and synced first; `publish` names them in the tables, closes the transaction and removes what
    no reader needs any more. A crash leaves rows that were never committed, and files that the next writer sweeps.
    """

    def __init__(self, info: IndexInfo, layout: Layout, database: Database, lock: FileLock) -> None:
        self.info = info
        self.layout = layout
        self._database = database
        self._lock = lock
        self.connection: Connection = database.connect_to_write()
        try:
            self._begin()
            collect(self.connection, layout, self.base)
        except BaseException:
            self.close()
            raise

    @property
    def number(self) -> int:
        """The number of the snapshot in the making."""
        return self.base + 1

    def new_image_id(self) -> int:
        """An id that no picture and no source has had."""
        self._next_image_id += 1
        return self._next_image_id - 1

    def insert_row(self, values: Mapping[str, Any]) -> None:
        """Adds an image row to the snapshot; columns of a former version are replaced by ``values``."""
        row = {**values, "valid_from": self.number, "valid_to": FOREVER}
        row.pop("version", None)
        self.connection.execute(_INSERT, row)
        self.changed = True

    def end_row(self, old: Row[Any]) -> None:
        """Takes a current image row out of the snapshot. One that was never published leaves no trace."""
        if old.valid_from > self.base:
            self.connection.execute(_UNDO, {"ended": old.version})
        else:
            self.connection.execute(_END, {"ended": old.version, "end": self.number})
        self.changed = True

    def change_rows(self, condition: ColumnElement[bool], **changes: object) -> None:
        """Gives all current image rows that satisfy ``condition`` other values, in a few statements however many."""
        names = [column.name for column in images.c if column.name != "version"]
        values = changes | {"valid_from": self.number}
        copied = [cast(values[name], images.c[name].type) if name in values else images.c[name] for name in names]
        published = condition & (images.c.valid_from <= self.base)
        versions = self.connection.scalars(select(images.c.version).where(published)).all()
        self.connection.execute(update(images).where(condition, images.c.valid_from > self.base).values(changes))
        earlier = among(self.connection, images.c.version, versions)
        self.connection.execute(insert(images).from_select(names, select(*copied).where(earlier)))
        self.connection.execute(update(images).where(earlier).values(valid_to=self.number))
        self.changed = True

    def current_segments(self) -> list[Segment]:
        """The segments of the snapshot in the making."""
        return read_segments(self.connection, self.number, self.layout, self.info.model.dimension)

    def add_segment(self, columns: Columns) -> Segment:
        """Writes a new segment of at least one row, ordered by source image id."""
        number = self._next_segment
        self._next_segment += 1
        folder = self.layout.segment(number)
        first, last = int(columns.image_ids[0]), int(columns.image_ids[-1])
        files = write_segment(folder, columns)
        segment = Segment(number, len(columns), first, last, files, folder, self.info.model.dimension)
        values: dict[str, Any] = {"number": number, "row_count": len(columns)}
        values |= {"first_source": first, "last_source": last}
        values |= {"files": encode_files(files), "valid_from": self.number, "valid_to": FOREVER}
        self.connection.execute(insert(segments), values)
        self.changed = True
        return segment

    def retire_segments(self, numbers: Iterable[int]) -> None:
        """Takes segments out of the snapshot."""
        for number in numbers:
            self.connection.execute(update(segments).where(segments.c.number == number).values(valid_to=self.number))
            self.changed = True

    def bury(self, segment: Segment, counts: Mapping[int, int]) -> None:
        """Marks sources of a segment as dead: source image id -> its number of rows."""
        rows = [
            {"segment": segment.number, "source_image_id": source, "row_count": count, "dead_from": self.number}
            for source, count in counts.items()
        ]
        if rows:
            self.connection.execute(insert(tombstones), rows)

    def save(self) -> None:
        """Commits what mends the present snapshot without changing what it says, if nothing else was changed."""
        if not self.changed:
            self.connection.commit()

    def publish(self) -> int:
        """The number of the new snapshot, or of the last one when nothing was changed."""
        if not self.changed:
            return self.base
        self._retire_dead()
        current = self.current_segments()
        self._arrange_shards({segment.number: segment for segment in current})
        by_status = select(images.c.status, func.count()).where(CURRENT).group_by(images.c.status)
        counts = {status: int(count) for status, count in self.connection.execute(by_status)}
        buried = select(func.coalesce(func.sum(tombstones.c.row_count), 0))
        buried = buried.where(tombstones.c.segment.in_([segment.number for segment in current]))
        stored = sum(segment.row_count for segment in current)
        self.connection.execute(
            insert(snapshots),
            {
                "number": self.number,
                "created_at": datetime.now(UTC).replace(tzinfo=None),
                "image_count": counts.get("indexed", 0),
                "failed_count": counts.get("failed", 0),
                "model_fingerprint": self.info.model.fingerprint,
                "instance_count": stored - int(self.connection.execute(buried).scalar_one()),
            },
        )
        self._save_counters()
        self.layout.pin(self.number).touch()
        sync(self.layout.pins)
        self.connection.commit()
        self._begin()
        collect(self.connection, self.layout, self.base)
        return self.base

    def close(self) -> None:
        """Drops what was not published and lets another writer in; more calls do nothing."""
        try:
            if not self.connection.closed:
                self.connection.close()
                self._database.settle()
        finally:
            release_writer(self._lock)

    def _begin(self) -> None:
        self.connection.rollback()
        # Another process may have given the index to another model since it was opened.
        read_info(self.connection, self.layout.db).require(self.info.model)
        self.base = latest_snapshot(self.connection)
        counters = self.connection.execute(select(index_info)).one()
        self._next_image_id = int(counters.next_image_id)
        self._next_segment = int(counters.next_segment)
        self._next_shard = int(counters.next_shard)
        self.changed = False
        self.connection.rollback()

    def _save_counters(self) -> None:
        self.connection.execute(
            update(index_info).values(
                next_image_id=self._next_image_id, next_segment=self._next_segment, next_shard=self._next_shard
            )
        )

    def _retire_dead(self) -> None:
        """Takes segments out of which nothing is left; their ids are gone as those of dead rows are."""
        dead = select(tombstones.c.segment, func.sum(tombstones.c.row_count)).group_by(tombstones.c.segment)
        counts = {segment: int(count) for segment, count in self.connection.execute(dead)}
        self.retire_segments(
            segment.number for segment in self.current_segments() if counts.get(segment.number) == segment.row_count
        )

    def _arrange_shards(self, current: Mapping[int, Segment]) -> None:
        before = read_shards(self.connection, self.number)
        kept = [shard for shard in before if current.keys() >= set(shard.segments)]
        covered = {number for shard in kept for number in shard.segments}
        # As large as full shards are merged to.
        uncovered = [segment for number, segment in sorted(current.items()) if number not in covered]
        groups = grouped(uncovered, SHARD_ROWS * FAN_IN)
        sizes = [shard.row_count for shard in kept] + [sum(s.row_count for s in group) for group in groups]
        merged = shards_to_merge(sizes)
        if merged > len(groups):
            joined = kept[len(groups) - merged :]
            del kept[len(groups) - merged :]
            members = [current[number] for shard in joined for number in shard.segments]
            members += [segment for group in groups for segment in group]
            groups = [sorted(members, key=lambda segment: segment.number)]
        for shard in before:
            if shard not in kept:
                condition = shards.c.number == shard.number
                self.connection.execute(update(shards).where(condition).values(valid_to=self.number))
        for group in groups:
            self._add_shard(group)

    def _add_shard(self, group: Sequence[Segment]) -> None:
        number = self._next_shard
        self._next_shard += 1
        files, largest_norm = write_shard(self.layout.shard(number), group, self.info.model.dimension)
        values: dict[str, Any] = {"number": number, "segments": encode_numbers([segment.number for segment in group])}
        values |= {"row_count": sum(segment.row_count for segment in group), "largest_norm": largest_norm}
        values |= {"files": encode_files(files), "valid_from": self.number, "valid_to": FOREVER}
        self.connection.execute(insert(shards), values)
