"""Where an index keeps what, and how its files reach the disk.

::

    .reir/index.json                 says what the folder is; its presence makes it an index
    .reir/index.sqlite               the SQL tables, unless they are in PostgreSQL
    .reir/writer.lock, pins/N        locks of the one writer, and of the readers of snapshot N
    .reir/segments/00000007/         instances.parquet (the truth) and the arrays that are derived from it
    .reir/shards/00000003.faiss      vectors of one or more segments, derived as well
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import xxhash

PARQUET = "instances.parquet"
ARRAYS = ("image_ids", "boxes", "objectness", "vectors")

ROW_BITS = 32
"""An instance id is ``segment << ROW_BITS | row``."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths inside one index folder."""

    db: Path

    @property
    def marker(self) -> Path:
        """The file that makes the folder an index."""
        return self.db / "index.json"

    @property
    def sqlite(self) -> Path:
        """The SQLite file."""
        return self.db / "index.sqlite"

    @property
    def lock(self) -> Path:
        """The lock file of the one writer."""
        return self.db / "writer.lock"

    @property
    def pins(self) -> Path:
        """The folder of the readers' locks."""
        return self.db / "pins"

    @property
    def segments(self) -> Path:
        """The folder of all segments."""
        return self.db / "segments"

    @property
    def shards(self) -> Path:
        """The folder of all shards."""
        return self.db / "shards"

    def pin(self, snapshot: int) -> Path:
        """The file that readers of a snapshot hold."""
        return self.pins / str(snapshot)

    def segment(self, number: int) -> Path:
        """The folder of a segment."""
        return self.segments / f"{number:08d}"

    def shard(self, number: int) -> Path:
        """The file of a shard."""
        return self.shards / f"{number:08d}.faiss"


def start_anew(db: Path) -> str:
    """What to do where the tables are lost: nothing else in the folder says which picture is which."""
    return f"Delete the folder {db} and index the gallery again: reir index FOLDER"


def sync(path: Path) -> None:
    """Waits until a file, or the entries of a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def measure(path: Path) -> tuple[int, str]:
    """Size in bytes and xxh3-128 of a file."""
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
        return file.tell(), digest.hexdigest()
