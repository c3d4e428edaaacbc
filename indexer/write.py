"""Where a run puts what it finds out: into the index, snapshot by snapshot, or nowhere when it is a rehearsal."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from reir.types import Instances

if TYPE_CHECKING:
    from reir.store import FileFacts, Index, KnownFile, Writer


class Ledger(Protocol):
    """The changes that a run makes to an index: those of the store's ``Writer``, committed now and then."""

    def known_files(self, prefix: str = "") -> Mapping[str, KnownFile]:
        """What the index knows of the files whose path has this prefix."""
        ...

    def source_of(self, content_hash: str) -> int | None:
        """The source of the instances of a picture with this content."""
        ...

    def add(self, file: FileFacts, instances: Instances | None) -> None:
        """Put a new or changed picture in."""
        ...

    def add_duplicate(self, file: FileFacts, source: int) -> None:
        """Put a picture in that has the content of another."""
        ...

    def move(self, image_id: int, file: FileFacts) -> None:
        """Give a picture a new path."""
        ...

    def touch(self, image_id: int, file: FileFacts) -> None:
        """Note a new size, time or external id."""
        ...

    def fail(self, file: FileFacts, cause: str) -> None:
        """Note why a file cannot be read."""
        ...

    def delete(self, paths: Sequence[str]) -> int:
        """Take pictures out; their number."""
        ...

    def commit(self) -> int:
        """Publish everything so far; the number of the snapshot."""
        ...


class CommittingLedger:
    """The writer of an index, which publishes a snapshot every so many pictures or seconds.

    Whenever the process is killed, the index is as of the last of these snapshots, and the next run goes on from there.
    """

    def __init__(self, writer: Writer, *, every_pictures: int, every_seconds: float) -> None:
        self._writer = writer
        self._every_pictures = every_pictures
        self._every_seconds = every_seconds
        self._waiting = 0
        self._committed_at = time.monotonic()

    def known_files(self, prefix: str = "") -> Mapping[str, KnownFile]:
        """What the index knows of the files whose path has this prefix."""
        return self._writer.known_files(prefix)

    def source_of(self, content_hash: str) -> int | None:
        """The source of the instances of a live picture with this content."""
        return self._writer.source_of(content_hash)

    def add(self, file: FileFacts, instances: Instances | None) -> None:
        """Put a new or changed picture in."""
        assert instances is not None
        self._writer.add(file, instances)
        self._count()

    def add_duplicate(self, file: FileFacts, source: int) -> None:
        """Put a picture in that has the content of another."""
        self._writer.add_duplicate(file, source)
        self._count()

    def move(self, image_id: int, file: FileFacts) -> None:
        """Give a picture a new path."""
        self._writer.move(image_id, file)
        self._count()

    def touch(self, image_id: int, file: FileFacts) -> None:
        """Note a new size, time or external id."""
        self._writer.touch(image_id, file)
        self._count()

    def fail(self, file: FileFacts, cause: str) -> None:
        """Note why a file cannot be read."""
        self._writer.fail(file, cause)
        self._count()

    def delete(self, paths: Sequence[str]) -> int:
        """Take pictures out; their number."""
        return self._writer.delete(paths)

    def commit(self) -> int:
        """Publish everything so far; the number of the snapshot."""
        number = self._writer.commit()
        self._waiting = 0
        self._committed_at = time.monotonic()
        return number

    def _count(self) -> None:
        self._waiting += 1
        if self._waiting >= self._every_pictures or time.monotonic() - self._committed_at >= self._every_seconds:
            self.commit()


class Rehearsal:
    """A ledger that only keeps in mind which contents there would be. ``index`` is None where none was made yet."""

    def __init__(self, index: Index | None) -> None:
        self._files: dict[str, KnownFile] = {}
        self._contents: set[str] = set()
        self._number = 0
        if index is None:
            return
        from reir.store import KnownFile

        with index.snapshot() as snapshot:
            self._number = snapshot.number
            for row in snapshot.all_images():
                if row.status != "deleted":
                    self._files[row.path] = KnownFile(
                        row.image_id, row.size, row.mtime_ns, row.content_hash, row.status, row.external_id
                    )
                if row.status == "indexed" and row.content_hash is not None:
                    self._contents.add(row.content_hash)

    def known_files(self, prefix: str = "") -> Mapping[str, KnownFile]:
        """What the index knows of the files whose path has this prefix."""
        return {path: known for path, known in self._files.items() if path.startswith(prefix)}

    def source_of(self, content_hash: str) -> int | None:
        """0 if a picture with this content is known, else None."""
        return 0 if content_hash in self._contents else None

    def add(self, file: FileFacts, instances: Instances | None) -> None:  # noqa: ARG002
        """Keep the content in mind."""
        if file.content_hash is not None:
            self._contents.add(file.content_hash)

    def add_duplicate(self, file: FileFacts, source: int) -> None:
        """Nothing."""

    def move(self, image_id: int, file: FileFacts) -> None:
        """Nothing."""

    def touch(self, image_id: int, file: FileFacts) -> None:
        """Nothing."""

    def fail(self, file: FileFacts, cause: str) -> None:
        """Nothing."""

    def delete(self, paths: Sequence[str]) -> int:
        """The number of paths."""
        return len(paths)

    def commit(self) -> int:
        """The number of the snapshot that there is."""
        return self._number
