"""The newest snapshot of an index, shared by threads that come and go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

from reir.errors import SnapshotGoneError

if TYPE_CHECKING:
    from reir.store import Index, Snapshot

_MOST_KEPT = 8
"""Superseded snapshots that are kept open at most: each holds files that could be removed."""


@dataclass(slots=True)
class _Held:
    snapshot: Snapshot
    readers: int = 0
    superseded_at: float | None = None


class CurrentSnapshot:
    """Hands out the newest snapshot that it knows, and for a while those before it.

    A reader keeps the snapshot that it was given until it leaves, also when a newer one is published meanwhile; a
    snapshot is closed when it has not been the newest for ``keep`` seconds and its last reader has left.
    """

    def __init__(self, index: Index, *, keep: float = 0.0) -> None:
        self._index = index
        self._keep = keep
        self._lock = Lock()
        newest = index.snapshot()
        self._newest = newest.number
        self._held = {newest.number: _Held(newest)}
        self._closed = False

    @contextmanager
    def read(self, number: int | None = None) -> Iterator[Snapshot]:
        """The newest snapshot, or the one with this number, for the length of a ``with`` block.

        Raises:
            SnapshotGoneError: nobody holds the snapshot of that number any more.
            ValueError: it has been closed.
        """
        with self._lock:
            self._require_open()
            number = self._newest if number is None else number
            if number not in self._held:
                # Another process may hold it still, so its files may be there. A number to come is no snapshot.
                if number > self._newest:
                    raise SnapshotGoneError(self._index.db, number)
                self._held[number] = _Held(self._index.snapshot(number), superseded_at=monotonic())
            held = self._held[number]
            held.readers += 1
        try:
            yield held.snapshot
        finally:
            with self._lock:
                held.readers -= 1
                self._close_unwanted()

    def refresh(self) -> int:
        """The number of the newest snapshot, which readers from now on are given."""
        with self._lock:
            self._require_open()
            if self._index.latest() != self._newest:
                newest = self._index.snapshot()
                self._held[self._newest].superseded_at = monotonic()
                self._held[newest.number] = _Held(newest)
                self._newest = newest.number
            self._close_unwanted()
            return self._newest

    def close(self) -> None:
        """Let go of every snapshot as soon as its readers have left. Closing twice does nothing."""
        with self._lock:
            self._closed = True
            self._close_unwanted()

    def _require_open(self) -> None:
        if self._closed:
            raise ValueError("this gallery is closed")

    def _close_unwanted(self) -> None:
        left = [held for held in self._held.values() if held.readers == 0]
        since = monotonic() - self._keep
        too_old = sorted(self._held)[:-_MOST_KEPT]
        for held in left:
            number = held.snapshot.number
            superseded = held.superseded_at is not None and (held.superseded_at <= since or number in too_old)
            if superseded or self._closed:
                del self._held[number]
                held.snapshot.close()
