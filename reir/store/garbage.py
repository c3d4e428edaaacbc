"""Removing what no snapshot needs any more. Only the writer does it, under its lock."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, and_, delete, not_, select
from sqlalchemy.sql import ColumnElement

from reir.store.layout import Layout
from reir.store.locks import FileLock
from reir.store.tables import ENDED, images, segments, shards, snapshots, tombstones, visible


def collect(connection: Connection, layout: Layout, latest: int) -> None:
    """Forgets the snapshots before ``latest`` that no reader holds, then removes all files that none of the rest names.

    Rows go first, in one transaction, files after it: a crash in between leaves files that the next writer sweeps.
    """
    with _unpinned(connection, layout, latest) as gone:
        if gone:
            connection.execute(delete(snapshots).where(snapshots.c.number.in_(gone)))
            kept = connection.scalars(select(snapshots.c.number)).all()
            for table in (images, segments, shards):
                unused: list[ColumnElement[bool]] = [not_(visible(table, number)) for number in kept]
                if table is images:
                    unused.append(ENDED)
                connection.execute(delete(table).where(and_(table.c.valid_to <= latest, *unused)))
            connection.execute(delete(tombstones).where(tombstones.c.segment.not_in(select(segments.c.number))))
        connection.commit()
        for number in gone:
            layout.pin(number).unlink(missing_ok=True)
    sweep(connection, layout)


def names_in_tables(connection: Connection, layout: Layout) -> set[str]:
    """The names of all segment folders and shard files that some snapshot refers to."""
    named = {layout.segment(number).name for number in connection.scalars(select(segments.c.number))}
    return named | {layout.shard(number).name for number in connection.scalars(select(shards.c.number))}


def sweep(connection: Connection, layout: Layout) -> None:
    """Removes the files that a crashed writer left or that nothing refers to any more."""
    named = names_in_tables(connection, layout)
    numbers = {str(number) for number in connection.scalars(select(snapshots.c.number))}
    connection.rollback()
    for folder, wanted in ((layout.segments, named), (layout.shards, named), (layout.pins, numbers)):
        for path in folder.iterdir():
            if path.name in wanted:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


@contextmanager
def _unpinned(connection: Connection, layout: Layout, latest: int) -> Iterator[list[int]]:
    # The locks are kept until the rows are gone, so that no reader can start on a snapshot that is being removed.
    locks: list[FileLock] = []
    gone: list[int] = []
    try:
        for number in connection.scalars(select(snapshots.c.number).where(snapshots.c.number < latest)).all():
            lock = None
            with suppress(FileNotFoundError):
                lock = FileLock.acquire(layout.pin(number), shared=False)
                if lock is None:
                    continue
            if lock is not None:
                locks.append(lock)
            gone.append(number)
        yield gone
    finally:
        for lock in locks:
            lock.close()
