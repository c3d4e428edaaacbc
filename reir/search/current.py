"""The newest snapshot of an index, shared by threads that come and go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reir.store import Index, Snapshot


class CurrentSnapshot:
    """Hands out the newest snapshot that it knows.

    A reader keeps the snapshot that it was given until it leaves, also when a newer one is published meanwhile; a
    snapshot is closed when it is no longer the newest and its last reader has left.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._lock = Lock()
        self._newest = index.snapshot()
        self._readers: dict[int, int] = {id(self._newest): 0}
        self._closed = False

    @contextmanager
    def read(self) -> Iterator[Snapshot]:
        """The newest snapshot, for the length of a ``with`` block.

        Raises:
            ValueError: it has been closed.
        """
        with self._lock:
            if self._closed:
                raise ValueError("this gallery is closed")
            snapshot = self._newest
            self._readers[id(snapshot)] += 1
        try:
            yield snapshot
        finally:
            with self._lock:
                self._readers[id(snapshot)] -= 1
                self._close_if_left(snapshot)

    def refresh(self) -> int:
        """The number of the newest snapshot, which readers from now on are given."""
        with self._lock:
            if self._closed:
                raise ValueError("this gallery is closed")
            if self._index.latest() != self._newest.number:
                old, self._newest = self._newest, self._index.snapshot()
                self._readers[id(self._newest)] = 0
                self._close_if_left(old)
            return self._newest.number

    def close(self) -> None:
        """Let go of the newest snapshot as soon as its readers have left. Closing twice does nothing."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._close_if_left(self._newest)

    def _close_if_left(self, snapshot: Snapshot) -> None:
        wanted = snapshot is self._newest and not self._closed
        if not wanted and self._readers.get(id(snapshot)) == 0:
            del self._readers[id(snapshot)]
            snapshot.close()
