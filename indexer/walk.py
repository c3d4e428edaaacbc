"""Which picture files lie under a gallery root."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from reir.imaging import SUFFIXES

SYSTEM_FOLDERS = frozenset(
    {"@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "__MACOSX", "lost+found"}
)
"""Folders that network storage, Windows and macOS keep for themselves: thumbnails, bins, shadows of other files."""


class FoundFile(NamedTuple):
    """A picture file on disk: posix path relative to the root, size in bytes, time of last change."""

    path: str
    size: int
    mtime_ns: int


@dataclass(slots=True)
class Walk:
    """A walk over one gallery root, and what it could not look at.

    Hidden files and folders, system folders, excluded folders (by name or by path relative to the root), the index
    itself, links to folders (their pictures are found where they lie) and links that lead out of the root are skipped.
    ``unreadable`` collects folders that may not be listed, as relative paths: what lies in them is unknown, not gone.
    ``unnameable`` collects files whose names are no text.
    """

    root: Path
    exclude_dirs: Collection[str] = ()
    index_folder: Path | None = None
    unreadable: list[str] = field(default_factory=list)
    unnameable: list[str] = field(default_factory=list)

    def files(self, start: str = "") -> Iterator[FoundFile]:
        """The pictures in a folder or file of the root, by path, folder by folder in sorted order."""
        excluded = {name.strip("/") for name in self.exclude_dirs} | SYSTEM_FOLDERS
        root = os.fspath(self.root)
        base = os.path.join(root, start) if start else root  # noqa: PTH118 - pathlib costs more than the listing
        if os.path.isfile(base):  # noqa: PTH113
            yield from self._file(start, base)
            return
        folders = [start]
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(os.path.join(root, folder) if folder else root) as listing:  # noqa: PTH118
                    entries = sorted(listing, key=lambda entry: entry.name)
            except OSError:
                if os.path.lexists(os.path.join(root, folder)):  # noqa: PTH118
                    self.unreadable.append(folder)
                continue
            below = []
            for entry in entries:
                name = entry.name
                if name.startswith("."):
                    continue
                path = f"{folder}/{name}" if folder else name
                if entry.is_dir(follow_symlinks=False):
                    if name not in excluded and path not in excluded and not self._is_index(entry.path):
                        below.append(path)
                elif has_picture_suffix(name):
                    yield from self._file(path, entry)
            folders.extend(reversed(below))

    def _file(self, path: str, entry: os.DirEntry[str] | str) -> Iterator[FoundFile]:
        try:
            if (os.path.islink(entry)) if isinstance(entry, str) else entry.is_symlink():  # noqa: PTH114
                target = Path(entry).resolve(strict=True)
                if not target.is_relative_to(self.root):
                    return
            facts = os.stat(entry) if isinstance(entry, str) else entry.stat()  # noqa: PTH116
        except (OSError, RuntimeError):  # Gone since it was listed, or a link to nothing or to itself.
            return
        if not stat.S_ISREG(facts.st_mode):
            return
        try:
            path.encode()
        except UnicodeEncodeError:
            self.unnameable.append(os.fsencode(path).decode("utf-8", "backslashreplace"))
            return
        yield FoundFile(path, facts.st_size, facts.st_mtime_ns)

    def _is_index(self, folder: str) -> bool:
        return self.index_folder is not None and folder == os.fspath(self.index_folder)


def has_picture_suffix(name: str) -> bool:
    """Whether a file name ends like a picture's."""
    dot = name.rfind(".")
    return dot > 0 and name[dot:].lower() in SUFFIXES
