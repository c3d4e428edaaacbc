"""What this back end knows of its photos, and reir does not: owners, albums, favourites. One SQLite file."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TABLES = """
CREATE TABLE IF NOT EXISTS users (name TEXT PRIMARY KEY, token TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS photos (
    asset_id TEXT PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL REFERENCES users (name),
    album TEXT NOT NULL,
    favourite INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS photos_of_owner ON photos (owner, album);
"""


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo. reir knows ``asset_id`` as its ``external_id``."""

    asset_id: str
    path: str
    owner: str
    album: str
    favourite: bool


class Library:
    """The photos and their owners. Every method opens a connection of its own, so threads may share the library."""

    def __init__(self, file: Path) -> None:
        self._file = file
        with self._connect() as connection:
            connection.executescript(_TABLES)

    def add_user(self, name: str) -> str:
        """The token with which this user signs in, made when the user is new."""
        with self._connect() as connection:
            connection.execute("INSERT OR IGNORE INTO users VALUES (?, ?)", (name, secrets.token_urlsafe(24)))
            (token,) = connection.execute("SELECT token FROM users WHERE name = ?", (name,)).fetchone()
        return str(token)

    def user_of(self, token: str) -> str | None:
        """The name of the user with this token."""
        with self._connect() as connection:
            found = connection.execute("SELECT name FROM users WHERE token = ?", (token,)).fetchone()
        return None if found is None else str(found[0])

    def add(self, photos: Iterable[Photo]) -> None:
        """Take in photos; those that are known stay as they are."""
        rows = [(photo.asset_id, photo.path, photo.owner, photo.album, photo.favourite) for photo in photos]
        with self._connect() as connection:
            connection.executemany("INSERT OR IGNORE INTO photos VALUES (?, ?, ?, ?, ?)", rows)

    def photos(self, owner: str, *, album: str | None = None, favourites: bool = False) -> dict[str, Photo]:
        """A user's photos by asset id."""
        conditions, values = ["owner = ?"], [owner]
        if album is not None:
            conditions.append("album = ?")
            values.append(album)
        if favourites:
            conditions.append("favourite")
        with self._connect() as connection:
            rows = connection.execute(f"SELECT * FROM photos WHERE {' AND '.join(conditions)}", values)
            return {row[0]: Photo(*row[:4], favourite=bool(row[4])) for row in rows}

    def albums(self, owner: str) -> dict[str, int]:
        """The names of a user's albums, with the number of their photos."""
        query = "SELECT album, count(*) FROM photos WHERE owner = ? GROUP BY album ORDER BY album"
        with self._connect() as connection:
            return dict(connection.execute(query, (owner,)).fetchall())

    def set_favourite(self, owner: str, asset_ids: Sequence[str], favourite: bool) -> int:
        """How many of these photos the user has; they are favourites now, or not any more."""
        change = "UPDATE photos SET favourite = ? WHERE owner = ? AND asset_id = ?"
        with self._connect() as connection:
            rows = [(favourite, owner, asset_id) for asset_id in asset_ids]
            return sum(connection.execute(change, row).rowcount for row in rows)

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._file)
        try:
            with connection:
                yield connection
        finally:
            connection.close()
