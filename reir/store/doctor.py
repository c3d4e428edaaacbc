"""Looking an index over: files against their records, rows against rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from sqlalchemy import Connection, func, select

from reir.errors import IndexDamagedError
from reir.store.garbage import names_in_tables
from reir.store.layout import PARQUET, Layout, start_anew
from reir.store.manifest import Manifest
from reir.store.records import Finding
from reir.store.segment import FileRecords, Segment, damage
from reir.store.shard import Shard
from reir.store.tables import images, snapshots, visible
from reir.types import IntArray

REPAIR = "reir doctor --repair"
REBUILD = "reir index FOLDER --rebuild"


Item = TypeVar("Item", Segment, Shard)


@dataclass(frozen=True, slots=True)
class Damage(Generic[Item]):
    """What is wrong with the files of one segment or shard: file name -> cause."""

    item: Item
    causes: dict[str, str]


def damaged_segments(manifest: Manifest, *, hashes: bool = True) -> Iterator[Damage[Segment]]:
    """The segments of which some file is not what was written."""
    for segment in manifest.segments:
        causes = _causes(segment.folder, segment.files, hashes)
        if causes:
            yield Damage(segment, causes)


def damaged_shards(manifest: Manifest, layout: Layout, *, hashes: bool = True) -> Iterator[Damage[Shard]]:
    """The shards whose file is not what was written."""
    for shard in manifest.shards:
        causes = _causes(layout.shards, shard.files, hashes)
        if causes:
            yield Damage(shard, causes)


def _causes(folder: Path, files: FileRecords, hashes: bool) -> dict[str, str]:
    found = {name: damage(folder / name, record, hashes=hashes) for name, record in files.items()}
    return {name: cause for name, cause in found.items() if cause}


def incomplete_sources(connection: Connection, stored_in: Sequence[Segment], snapshot: int) -> IntArray:
    """The sources of indexed pictures that have other numbers of instances than their rows say, ascending."""
    query = select(images.c.source_image_id, func.max(images.c.instance_count))
    query = query.where(visible(images, snapshot), images.c.status == "indexed")
    rows = connection.execute(query.group_by(images.c.source_image_id).order_by(images.c.source_image_id)).all()
    sources = np.array([row[0] for row in rows], np.int64)
    stored = np.zeros(len(sources), np.int64)
    for segment in stored_in:
        numbers, counts = np.unique(np.asarray(segment.image_ids), return_counts=True)
        known = np.isin(numbers, sources)
        stored[np.searchsorted(sources, numbers[known])] += counts[known]
    incomplete: IntArray = sources[stored != np.array([row[1] for row in rows], np.int64)]
    return incomplete


def check(connection: Connection, manifest: Manifest, layout: Layout, *, hashes: bool) -> list[Finding]:
    """What is wrong with the snapshot of ``manifest``; empty for a healthy index.

    Args:
        connection: to the tables.
        manifest: of a snapshot that is pinned.
        layout: where the files lie.
        hashes: read every file whole; otherwise only sizes are compared.
    """
    findings = list(_check_tables(connection, layout))
    broken = list(damaged_segments(manifest, hashes=hashes))
    for segment in broken:
        findings += _describe(segment)
    for shard in damaged_shards(manifest, layout, hashes=hashes):
        for name, cause in shard.causes.items():
            mend = f"{REPAIR} (rebuilt from the segments)"
            findings.append(Finding("error", f"shard: {cause}", str(layout.shards / name), mend))
    covered = sorted(number for shard in manifest.shards for number in shard.segments)
    if covered != [segment.number for segment in manifest.segments]:
        findings.append(Finding("error", "shards and segments do not match", str(layout.shards), REPAIR))
    if not broken:
        findings += _check_counts(connection, manifest, layout)
    findings += _stray(connection, layout)
    return findings


def _describe(broken: Damage[Segment]) -> Iterator[Finding]:
    arrays_whole = broken.causes.keys() == {PARQUET}
    for name, cause in broken.causes.items():
        if name != PARQUET and PARQUET not in broken.causes:
            mend = f"{REPAIR} (rebuilt from {PARQUET})"
        elif arrays_whole:
            mend = f"{REPAIR} (rebuilt from the arrays beside it, which are whole)"
        else:
            mend = f"{REPAIR}, then reir index (the pictures of this segment must be read again; the others stay)"
        what = "instances" if name == PARQUET else "array"
        yield Finding("error", f"{what}: {cause}", str(broken.item.folder / name), mend)


def _check_tables(connection: Connection, layout: Layout) -> Iterator[Finding]:
    if connection.dialect.name != "sqlite":
        return
    answers = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA quick_check")]
    if answers != ["ok"]:
        yield Finding("error", f"tables: {answers[0]}", str(layout.sqlite), start_anew(layout.db))


def _check_counts(connection: Connection, manifest: Manifest, layout: Layout) -> Iterator[Finding]:
    by_status = select(images.c.status, func.count()).where(visible(images, manifest.number)).group_by(images.c.status)
    found = {status: int(count) for status, count in connection.execute(by_status)}
    for name, expected, status in (
        ("pictures", manifest.image_count, "indexed"),
        ("unreadable pictures", manifest.failed_count, "failed"),
    ):
        if found.get(status, 0) != expected:
            what = f"{found.get(status, 0):,} {name} instead of {expected:,}"
            yield Finding("error", what, str(layout.db), REBUILD)
    try:
        incomplete = incomplete_sources(connection, manifest.segments, manifest.number)
    except IndexDamagedError as error:
        yield Finding("error", f"array: {error.cause}", str(error.path), f"{REPAIR} (rebuilt from {PARQUET})")
        return
    if len(incomplete):
        what = f"{len(incomplete):,} pictures have other numbers of instances than were stored"
        yield Finding("error", what, str(layout.segments), f"{REPAIR}, then reir index (they are read again)")


def _stray(connection: Connection, layout: Layout) -> Iterator[Finding]:
    named = names_in_tables(connection, layout)
    newest = connection.execute(select(func.max(snapshots.c.number))).scalar_one()
    for folder in (layout.segments, layout.shards):
        for path in sorted(folder.iterdir()):
            if path.name not in named:
                what = f"belongs to no snapshot (the newest is {newest}); an interrupted or a running writer left it"
                yield Finding("note", what, str(path), "goes by itself with the next reir index")
    if not layout.pin(newest).exists():
        yield Finding("error", "readers cannot hold the newest snapshot", str(layout.pin(newest)), REPAIR)
