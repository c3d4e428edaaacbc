"""Mending an index: whatever is derived is made again, and what cannot be saved is marked for the next indexing."""

from __future__ import annotations

import numpy as np
from sqlalchemy import func, select, update

from reir.errors import IndexDamagedError
from reir.store.doctor import Damage, damaged_segments, damaged_shards, incomplete_sources
from reir.store.filters import among
from reir.store.layout import PARQUET, measure, sync
from reir.store.manifest import Manifest, encode_files
from reir.store.publication import LIVE, Publication
from reir.store.segment import Segment, read_parquet, write_arrays, write_parquet
from reir.store.shard import Shard, write_shard
from reir.store.tables import images, segments, shards
from reir.types import IntArray

LOST = "its instances were lost when an index file was damaged; the next indexing reads it again"


def repair(publication: Publication, manifest: Manifest) -> list[str]:
    """What was mended, in words; empty for a healthy index.

    Args:
        publication: under the writer's lock.
        manifest: of the newest snapshot.
    """
    layout, done = publication.layout, []
    if not layout.pin(publication.base).exists():
        layout.pin(publication.base).touch()
        done.append(f"snapshot {publication.base} can be read again")
    lost: list[Segment] = []
    for broken in damaged_segments(manifest):
        line = _mend_segment(publication, broken)
        if line is None:
            lost.append(broken.item)
        else:
            done.append(line)
    publication.retire_segments(segment.number for segment in lost)
    for segment in lost:
        count = _give_up(publication, np.arange(segment.first_source, segment.last_source + 1))
        done.append(f"{segment.folder.name}: lost; its {count:,} pictures are read again by the next reir index")
    current = {segment.number: segment for segment in manifest.segments if segment not in lost}
    incomplete = incomplete_sources(publication.connection, list(current.values()), publication.number)
    if len(incomplete):
        count = _give_up(publication, incomplete)
        done.append(f"{count:,} pictures with missing instances are read again by the next reir index")
    for shard in (damaged.item for damaged in damaged_shards(manifest, layout)):
        if current.keys() >= set(shard.segments):
            done.append(_mend_shard(publication, shard, [current[number] for number in shard.segments]))
    publication.save()
    publication.publish()
    return done


def _mend_segment(publication: Publication, broken: Damage[Segment]) -> str | None:
    """What was done, None if nothing can be: the Parquet file and an array are both damaged."""
    segment = broken.item
    path = segment.folder / PARQUET
    if PARQUET not in broken.causes:
        try:
            columns = read_parquet(path)
        except IndexDamagedError:
            return None
        write_arrays(segment.folder, columns)
        line = f"{segment.folder.name}: {', '.join(broken.causes)} rebuilt from {PARQUET}"
    elif broken.causes.keys() == {PARQUET}:
        fresh = path.with_name(path.name + ".new")
        write_parquet(fresh, segment.columns())
        sync(fresh)
        fresh.replace(path)
        line = f"{segment.folder.name}: {PARQUET} rebuilt from the arrays"
    else:
        return None
    sync(segment.folder)
    files = {name: measure(segment.folder / name) for name in segment.files}
    condition = segments.c.number == segment.number
    publication.connection.execute(update(segments).where(condition).values(files=encode_files(files)))
    return line


def _mend_shard(publication: Publication, shard: Shard, covered: list[Segment]) -> str:
    path = publication.layout.shard(shard.number)
    files, largest_norm = write_shard(path, covered, publication.info.model.dimension)
    values = {"files": encode_files(files), "largest_norm": largest_norm}
    publication.connection.execute(update(shards).where(shards.c.number == shard.number).values(values))
    return f"{path.name}: rebuilt from {len(covered):,} segments"


def _give_up(publication: Publication, sources: IntArray) -> int:
    """How many pictures now count as unreadable, with facts that no file matches."""
    lost = (
        LIVE & among(publication.connection, images.c.source_image_id, sources.tolist()) & (images.c.instance_count > 0)
    )
    count = publication.connection.execute(select(func.count()).select_from(images).where(lost)).scalar_one()
    changes = {"status": "failed", "cause": LOST, "mtime_ns": -1, "content_hash": None, "instance_count": 0}
    publication.change_rows(lost, source_image_id=images.c.image_id, **changes)
    return int(count)
