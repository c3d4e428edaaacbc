"""Hashes of weight files, remembered: an index is opened with the hash of a gigabyte that has not changed."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

from platformdirs import user_cache_path

from reir.errors import WeightsMissingError

_SMALL = 1_000_000
"""Bytes below which hashing anew costs less than remembering."""


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal, remembered by its resolved path, size and modification time.

    Notes of it are kept in the user's cache folder, one small file for each weight file, replaced as a whole: several
    processes may use them. Where that folder cannot be written, the hash is computed each time.

    Raises:
        WeightsMissingError: there is no such file.
    """
    resolved = path.resolve()
    try:
        facts = resolved.stat()
    except FileNotFoundError:
        raise WeightsMissingError(path.name, f"no file {path}", "Look with: reir models verify") from None
    if facts.st_size < _SMALL:
        return compute_sha256(resolved)
    state = f"{facts.st_size} {facts.st_mtime_ns}"
    note = _note_of(resolved)
    try:
        remembered, _, digest = note.read_text().rpartition(" ")
    except (OSError, UnicodeDecodeError):
        remembered, digest = "", ""
    if remembered != state or len(digest) != 64:
        digest = compute_sha256(resolved)
        _remember(note, f"{state} {digest}")
    return digest


def compute_sha256(path: Path) -> str:
    """The SHA-256 of a file as it is now, read in full."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_folder(folder: Path, patterns: Iterable[str]) -> str:
    """One SHA-256 over the names and hashes of a folder's files that match a pattern, whatever their order on disk.

    Patterns are those of a shell, matched against the path below the folder (``config.json``, ``*.safetensors``).

    Raises:
        WeightsMissingError: no file matches.
    """
    patterns = list(patterns)
    names = matching_files(folder, patterns)
    if not names:
        raise WeightsMissingError(folder.name, f"{folder} holds no {' or '.join(patterns)}", "Give the whole folder")
    lines = "".join(f"{name}\n{sha256_of(folder / name)}\n" for name in names)
    return hashlib.sha256(lines.encode()).hexdigest()


def matching_files(folder: Path, patterns: Iterable[str]) -> list[str]:
    """The files below a folder, as sorted paths relative to it, that match one of the patterns."""
    patterns = list(patterns)
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in names if any(fnmatch(name, pattern) for pattern in patterns))


def _note_of(resolved: Path) -> Path:
    key = hashlib.blake2b(os.fsencode(resolved), digest_size=16).hexdigest()
    return user_cache_path("reir") / "sha256" / key


def _remember(note: Path, text: str) -> None:
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=note.parent, delete=False) as file:
            file.write(text)
        Path(file.name).replace(note)
    except OSError:
        return  # a cache that cannot be written costs time, nothing else
