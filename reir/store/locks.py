"""Locks that the system drops with their process, however it ends: one writer, many pinned snapshots."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import weakref
from pathlib import Path

from reir.errors import IndexLockedError, ReirError

_held: weakref.WeakSet[FileLock] = weakref.WeakSet()

_UNSUPPORTED = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}


class FileLock:
    """A held ``flock`` on an open file, released by `close` or by the end of the process."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        _held.add(self)

    @classmethod
    def acquire(cls, path: Path, *, shared: bool) -> FileLock | None:
        """The lock on an existing file, or None while somebody holds it otherwise.

        Raises:
            FileNotFoundError: there is no such file, or it was removed while the lock was being taken.
        """
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError as error:
            # A file system without locks (a read-only share): nobody can write there either, so nothing is lost.
            if not shared or error.errno not in _UNSUPPORTED:
                os.close(descriptor)
                raise
        if os.fstat(descriptor).st_nlink == 0:
            os.close(descriptor)
            raise FileNotFoundError(path)
        return cls(path, descriptor)

    @property
    def held(self) -> bool:
        """Whether it was not released yet."""
        return self._descriptor >= 0

    def close(self) -> None:
        """Releases the lock; more calls do nothing."""
        if self._descriptor >= 0:
            # By name, because a child that was forked just now may still have the file open.
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self.forget()

    def __del__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Closes the file without a word about the lock, which others may share."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        _held.discard(self)


def release_writer(lock: FileLock) -> None:
    """Releases the writer's lock and forgets who had it."""
    if lock.held:
        lock.path.write_text("", "utf-8")
    lock.close()


def acquire_writer(path: Path, db: Path) -> FileLock:
    """The writer's lock of index ``db``. Raises IndexLockedError, which names the process that has it."""
    try:
        path.touch()
    except OSError as error:
        raise ReirError(f"index {db} cannot be written: {error.strerror}. It can still be searched") from error
    lock = FileLock.acquire(path, shared=False)
    if lock is None:
        raise IndexLockedError(db, path.read_text("utf-8").strip() or "another process")
    path.write_text(f"process {os.getpid()} on {socket.gethostname()}\n", "utf-8")
    return lock


def _forget_in_child() -> None:
    # A forked decoder would otherwise keep its parent's lock alive after the parent was killed.
    for lock in list(_held):
        lock.forget()


os.register_at_fork(after_in_child=_forget_in_child)
