"""Where the index of a gallery lives, and how it is found again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_path

from reir.errors import IndexNotFoundError

FOLDER = ".reir"
"""Name of the index folder inside a gallery."""

NETWORK_FILE_SYSTEMS = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "9p", "davfs", "ncpfs"),
        *("fuse.sshfs", "fuse.rclone", "fuse.glusterfs", "fuse.s3fs", "fuse.gcsfuse", "fuse.davfs2", "afpfs", "webdav"),
    }
)
"""File systems on which SQLite's write-ahead log is not safe, by the names in Linux' mount table."""


@dataclass(frozen=True, slots=True)
class Location:
    """The index folder of a gallery root, and what the user should know about the choice."""

    db: Path
    message: str | None = None


def new_location(root: Path) -> Location:
    """Where a new index of ``root`` goes: inside it, or into the user's data folder where that cannot be written."""
    if not os.access(root, os.W_OK):
        why = "is read-only"
    elif (kind := file_system(root)) in NETWORK_FILE_SYSTEMS:
        why = f"is on a network file system ({kind})"
    else:
        return Location(root / FOLDER)
    db = data_folder(root)
    return Location(db, f"{root} {why}: its index is kept in {db}")


def data_folder(root: Path) -> Path:
    """The folder in the user's data folder that is kept for the index of ``root``."""
    key = hashlib.blake2b(os.fsencode(root), digest_size=6).hexdigest()
    return user_data_path("reir") / "indexes" / f"{root.name or 'root'}-{key}"


def find_index(start: Path | None = None, *, db: Path | None = None) -> Path:
    """The index folder that a command means: ``db`` if given, else that of ``start`` or of its nearest parent.

    ``db`` is what the caller has from ``--db`` or ``REIR_DB``; ``start`` is the working folder by default. In each
    folder ``.reir`` comes first, then the place in the user's data folder for galleries that cannot be written.

    Raises:
        IndexNotFoundError: there is none; it names the first place that was looked at.
    """
    if db is not None:
        if not db.is_dir():
            raise IndexNotFoundError(db)
        return db.resolve()
    start = (start or Path.cwd()).resolve()
    for folder in _upwards(start):
        for candidate in (folder / FOLDER, data_folder(folder)):
            if candidate.is_dir():
                return candidate
    raise IndexNotFoundError(start / FOLDER)


def _upwards(folder: Path) -> Iterator[Path]:
    yield folder
    yield from folder.parents


def file_system(path: Path, mount_table: Path = Path("/proc/self/mountinfo")) -> str | None:
    """The type of the file system that holds ``path``, or None where the system does not tell."""
    try:
        lines = mount_table.read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    found: tuple[int, str] | None = None
    for line in lines:
        # "36 35 98:0 /in/volume /mount/point options ... - type source options", spaces written \040
        place, _, kind = line.partition(" - ")
        mount = place.split()[4].replace("\\040", " ")
        if path.is_relative_to(mount) and (found is None or len(mount) >= found[0]):
            found = len(mount), kind.split()[0]
    return found[1] if found else None
