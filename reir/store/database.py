"""The SQL side of an index: SQLite in WAL mode inside the folder, or PostgreSQL by URL."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, NullPool, QueuePool, create_engine, event, text

from reir.errors import IndexDamagedError, ReirError
from reir.store.layout import start_anew
from reir.store.tables import REVISION

_PATIENCE_S = 60


class SchemaError(ReirError):
    """The tables of an index are not the ones that this version of reir knows."""

    def __init__(self, where: str, revision: str | None) -> None:
        self.revision = revision
        super().__init__(
            f"{where} has the schema {revision}, and this reir knows {REVISION} and older. Use a newer one: "
            "pip install --upgrade reir"
        )


class Database:
    """Connections to the tables of one index; safe to share between threads."""

    def __init__(self, engine: Engine, where: str, *, writable: bool) -> None:
        self.engine = engine
        self.where = where
        self.writable = writable

    @classmethod
    def sqlite(cls, path: Path) -> Database:
        """The SQLite file at ``path``, made on first use; only read where its folder cannot be written."""
        writable = os.access(path.parent, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))
        address = path.resolve().as_uri()

        def connect() -> sqlite3.Connection:
            # Without a log nobody is writing, and "immutable" spares SQLite the shared-memory file that it cannot make
            # here. That is looked up for every connection: somebody else may write to what is read-only for us.
            wal = path.with_name(path.name + "-wal")
            quiet = not wal.exists() or wal.stat().st_size == 0
            mode = "rwc" if writable else "ro&immutable=1" if quiet else "ro"
            return sqlite3.connect(f"{address}?mode={mode}", uri=True, timeout=_PATIENCE_S, check_same_thread=False)

        if writable:
            engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, max_overflow=-1)
        else:
            engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, _record: Any) -> None:
            connection.isolation_level = None  # BEGIN is ours, so that DDL is transactional as well
            if writable:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")

        @event.listens_for(engine, "handle_error")
        def explain(context: ExceptionContext) -> None:
            error = context.original_exception
            # Of its subclasses only the plain one means that the file is not what SQLite wrote.
            if type(error) is sqlite3.DatabaseError:
                raise IndexDamagedError(path, str(error), start_anew(path.parent)) from error

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            writing = connection.get_execution_options().get("writing", False)
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

        return cls(engine, str(path), writable=writable)

    @classmethod
    def by_url(cls, url: str) -> Database:
        """The database at an SQLAlchemy URL, for example ``postgresql+psycopg://user@host/reir``."""
        engine = create_engine(url, max_overflow=-1, pool_pre_ping=True)
        return cls(engine, engine.url.render_as_string(hide_password=True), writable=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection in one transaction: committed at the end, undone by an exception."""
        with self.connect_to_write() as connection, connection.begin():
            yield connection

    def connect_to_write(self) -> Connection:
        """A connection whose transactions take the write lock at once."""
        return self.engine.connect().execution_options(writing=True)

    def revision(self) -> str | None:
        """The schema revision, None for an empty database."""
        with self.engine.connect() as connection:
            if not self.engine.dialect.has_table(connection, "alembic_version"):
                return None
            row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
            return None if row is None else str(row[0])

    def upgrade(self) -> None:
        """Brings the tables to the newest revision, in one transaction."""
        from alembic import command
        from alembic.config import Config
        from alembic.script import ScriptDirectory
        from alembic.util import CommandError

        import reir.migrations

        config = Config()
        config.set_main_option("script_location", str(Path(reir.migrations.__path__[0])).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        current = self.revision()
        if current is not None:
            try:
                ScriptDirectory.from_config(config).get_revision(current)
            except CommandError as error:
                raise SchemaError(self.where, current) from error
        with self.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def settle(self) -> None:
        """Moves SQLite's log into the file, so that a copy of the folder, or a read-only one, needs nothing else.

        While somebody reads, the log stays; it is not waited for.
        """
        if self.engine.dialect.name == "sqlite":
            with self.engine.connect() as connection:
                cursor = connection.connection.cursor()
                cursor.execute("PRAGMA busy_timeout = 0")
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                cursor.execute(f"PRAGMA busy_timeout = {_PATIENCE_S * 1000}")

    def close(self) -> None:
        """Closes all connections."""
        self.engine.dispose()
