"""An index folder: made, opened, read by snapshot, written by one writer."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select

from reir.errors import IndexDamagedError, IndexNotFoundError, RootMismatchError, SnapshotGoneError, UsageError
from reir.store.compaction import compact
from reir.store.database import Database
from reir.store.doctor import check
from reir.store.layout import Layout, start_anew, sync
from reir.store.locks import FileLock, acquire_writer, release_writer
from reir.store.manifest import Manifest, latest_snapshot, read_info, read_manifest
from reir.store.publication import Publication
from reir.store.records import Finding, IndexInfo
from reir.store.renewal import renew
from reir.store.repair import repair
from reir.store.snapshot import Snapshot
from reir.store.tables import REVISION, index_info, snapshots
from reir.store.writer import Writer
from reir.types import ModelIdentity

_FORMAT = 1
_ATTEMPTS = 20


class Index:
    """The instances of one gallery, found by one model. Make one with `create` or `open`."""

    def __init__(self, info: IndexInfo, layout: Layout, database: Database) -> None:
        self.db = layout.db
        self.info = info
        self._layout = layout
        self._database = database

    @classmethod
    def create(
        cls,
        root: Path,
        *,
        db: Path,
        model: ModelIdentity,
        settings: Mapping[str, Any] | None = None,
        database_url: str | None = None,
        replace: bool = False,
    ) -> Index:
        """A new, empty index of gallery ``root`` in folder ``db``, or the one there if it was made the same way.

        Args:
            root: the folder that paths are relative to.
            db: the index folder; made if it is missing.
            model: the model whose vectors the index will hold.
            settings: what else decides about the instances that are kept; plain JSON values.
            database_url: SQLAlchemy URL of the tables, by default SQLite inside ``db``.
            replace: give an index that was made otherwise to this root, model and settings: all its pictures wait for
                the next indexing, and keep their ids (see `reir.store.renewal`).

        Raises:
            IndexLockedError: ``replace``, and another process is writing.
            RootMismatchError, ModelMismatchError, UsageError: the folder holds an index of another root, model or
                settings.
        """
        db, home = Path(db).absolute(), Path(root).resolve()
        layout = Layout(db)
        wanted = json.loads(json.dumps(dict(settings or {})))
        if not layout.marker.exists():
            db.mkdir(parents=True, exist_ok=True)
            lock = acquire_writer(layout.lock, db)
            try:
                if not layout.marker.exists():
                    _make(layout, home, model, wanted, database_url)
            finally:
                release_writer(lock)
        index = cls.open(db, database_url=database_url)
        if replace and (index.info.root, index.info.model, index.info.settings) != (home, model, wanted):
            with closing(index._publication()) as publication:
                renew(publication, root_text(db, home), model, wanted)
            index.close()
            return cls.open(db, database_url=database_url)
        if index.info.root != home:
            raise RootMismatchError(db, index.info.root, Path(root))
        index.info.require(model)
        if index.info.settings != wanted:
            raise UsageError(
                f"index {db} was made with the settings {dict(index.info.settings)}, not {wanted}. "
                "Use the same ones, or make it anew with --rebuild"
            )
        return index

    @classmethod
    def open(cls, db: Path, *, database_url: str | None = None) -> Index:
        """The index in folder ``db``, which may be read-only. Raises IndexNotFoundError."""
        db = Path(db).absolute()
        layout = Layout(db)
        try:
            marker = json.loads(layout.marker.read_text("utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise IndexNotFoundError(db) from None
        except ValueError as error:
            raise IndexDamagedError(layout.marker, str(error), start_anew(db)) from error
        if marker.get("database") != "sqlite" and database_url is None:
            raise UsageError(
                f"the tables of index {db} are in {marker.get('database')}. Set REIR_DATABASE_URL to its URL"
            )
        if marker.get("database") == "sqlite" and not layout.sqlite.exists():
            raise IndexDamagedError(layout.sqlite, "missing", start_anew(db))
        database = _database(layout, None if marker.get("database") == "sqlite" else database_url)
        if database.revision() != REVISION:
            _upgrade(layout, database)
        with database.read() as connection:
            info = read_info(connection, db)
        if info.uid != marker.get("uid"):
            raise IndexDamagedError(layout.marker, f"{database.where} holds the tables of another index")
        return cls(info, layout, database)

    def reread(self) -> Index:
        """The same index under the model that it has now; it shares this one's connections."""
        with self._database.read() as connection:
            return Index(read_info(connection, self.db), self._layout, self._database)

    def latest(self) -> int:
        """The number of the newest snapshot; about a tenth of a millisecond."""
        with self._database.read() as connection:
            return latest_snapshot(connection)

    def snapshot(self, number: int | None = None) -> Snapshot:
        """The latest snapshot, or an earlier one; its files stay until it is closed.

        Raises SnapshotGoneError for an earlier one that nobody held when a newer one was published.
        """
        for _ in range(_ATTEMPTS):
            with self._database.read() as connection:
                wanted = latest_snapshot(connection) if number is None else number
            try:
                pin = FileLock.acquire(self._layout.pin(wanted), shared=True)
            except FileNotFoundError:
                pin = None
            if pin is not None:
                with self._database.read() as connection:
                    manifest = read_manifest(connection, wanted, self._layout, self.info.model.dimension)
                if manifest is not None:
                    self._require_same_model(manifest, pin)
                    return Snapshot(self.info, self._layout, self._database, manifest, pin)
                pin.close()
            if number is not None:
                raise SnapshotGoneError(self.db, number)
        raise IndexDamagedError(self._layout.pins, "the latest snapshot cannot be pinned")

    def writer(self) -> Writer:
        """The writer. Raises IndexLockedError, which names the process, while another one lives."""
        return Writer(self._publication())

    def check(self, *, hashes: bool = True) -> list[Finding]:
        """What is wrong with the newest snapshot; empty for a healthy index.

        Args:
            hashes: read every file whole; otherwise only sizes are compared.
        """
        lock = None
        try:
            with self._database.read() as connection:
                number = latest_snapshot(connection)
                if self._layout.pin(number).exists():
                    lock = FileLock.acquire(self._layout.pin(number), shared=True)
                return check(connection, self._manifest(connection, number), self._layout, hashes=hashes)
        except IndexDamagedError as error:
            return [Finding("error", f"tables: {error.cause}", str(error.path), error.mend)]
        finally:
            if lock is not None:
                lock.close()

    def repair(self) -> list[str]:
        """What was mended, in words; empty for a healthy index.

        Arrays and shards are made again from Parquet, a Parquet file from its arrays. Where both are damaged, the
        pictures of that segment are marked for the next indexing, and all others stay.
        """
        with closing(self._publication()) as publication:
            return repair(publication, self._manifest(publication.connection, publication.base))

    def compact(self) -> int:
        """The number of the snapshot without removed rows, in few segments.

        Instance ids change; the old ones are understood until the next compaction. Raises IndexDamagedError, changing
        nothing, when a segment is not what was written.
        """
        with closing(self._publication()) as publication:
            return compact(publication, self._manifest(publication.connection, publication.base))

    def size_on_disk(self) -> int:
        """Bytes of all files in the index folder; files that vanish meanwhile are not counted."""
        total = 0
        for file in self.db.rglob("*"):
            with suppress(FileNotFoundError):
                total += file.lstat().st_size if file.is_file() else 0
        return total

    def _require_same_model(self, manifest: Manifest, pin: FileLock) -> None:
        # Another process may have given the index to another model (`create` with ``replace``) since it was opened.
        if manifest.model_fingerprint != self.info.model.fingerprint:
            pin.close()
            with self._database.read() as connection:
                read_info(connection, self.db).require(self.info.model)
            raise SnapshotGoneError(self.db, manifest.number)  # an earlier one, of the model before

    def _publication(self) -> Publication:
        return Publication(self.info, self._layout, self._database, acquire_writer(self._layout.lock, self.db))

    def _manifest(self, connection: Connection, number: int) -> Manifest:
        manifest = read_manifest(connection, number, self._layout, self.info.model.dimension)
        if manifest is None:
            raise IndexDamagedError(self.db, f"snapshot {number} is not in its tables")
        return manifest

    def close(self) -> None:
        """Closes the connections to the tables."""
        self._database.close()


def _database(layout: Layout, url: str | None) -> Database:
    return Database.sqlite(layout.sqlite) if url is None else Database.by_url(url)


def _upgrade(layout: Layout, database: Database) -> None:
    lock = acquire_writer(layout.lock, layout.db)
    try:
        database.upgrade()
    finally:
        release_writer(lock)


def _make(layout: Layout, root: Path, model: ModelIdentity, settings: Mapping[str, Any], url: str | None) -> None:
    for folder in (layout.pins, layout.segments, layout.shards):
        folder.mkdir(exist_ok=True)
    database = _database(layout, url)
    database.upgrade()
    uid = uuid.uuid4().hex
    now = datetime.now(UTC).replace(tzinfo=None)
    with database.write() as connection:
        if connection.execute(select(index_info.c.uid)).first() is not None:
            # Left by a creation that was killed before its last step, or, in a shared database, somebody else's.
            if url is not None:
                raise UsageError(f"{database.where} already holds an index. Give every index a database of its own")
            connection.execute(index_info.delete())
            connection.execute(snapshots.delete())
        connection.execute(
            insert(index_info),
            {
                "id": 1,
                "uid": uid,
                # An index inside its gallery moves with it.
                "root": root_text(layout.db, root),
                "model_name": model.name,
                "model_fingerprint": model.fingerprint,
                "model_dimension": model.dimension,
                "settings": json.dumps(settings),
                "created_at": now,
                "next_image_id": 1,
                "next_segment": 1,
                "next_shard": 1,
            },
        )
        empty = {"number": 0, "created_at": now, "image_count": 0, "failed_count": 0, "instance_count": 0}
        connection.execute(insert(snapshots), empty | {"model_fingerprint": model.fingerprint})
    database.close()
    layout.pin(0).touch()
    sync(layout.pins)
    marker = {
        "about": "Index of reir, which finds the object you describe in your pictures. Look inside with: reir info",
        "format": _FORMAT,
        "uid": uid,
        "database": "sqlite" if url is None else "postgresql",
    }
    fresh = layout.marker.with_suffix(".new")
    fresh.write_text(json.dumps(marker, indent=2) + "\n", "utf-8")
    sync(fresh)
    fresh.replace(layout.marker)
    sync(layout.db)


def root_text(db: Path, root: Path) -> str:
    """How the root is noted: relative to the index folder when that lies inside it, else absolute."""
    place = db.resolve()
    return "/".join([".."] * len(place.relative_to(root).parts)) if place.is_relative_to(root) else str(root)
