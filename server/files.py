"""The files of a gallery, opened and written only below its root.

Clients name pictures by id; the path comes from the index. Nothing here trusts it all the same: an index may be old,
links may have been laid since, and administrators send paths of their own.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from reir.imaging import SUFFIXES
from reir.server.errors import ServiceError

_LONGEST_NAME = 80
_UNSAFE = re.compile(r"[^\w.()+-]+")
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class FileFacts(Protocol):
    """What the index knows of a picture's file: path relative to the root, size in bytes, time of last change."""

    @property
    def image_id(self) -> int:
        """The picture's id."""

    @property
    def path(self) -> str:
        """Its path."""

    @property
    def size(self) -> int:
        """Its size."""

    @property
    def mtime_ns(self) -> int:
        """When it was last changed."""


class PictureMissingError(ServiceError):
    """The file of an indexed picture is not there, or is nothing that may be shown."""

    def __init__(self, image_id: int) -> None:
        self.image_id = image_id
        message = f"the file of picture {image_id} is not in the gallery any more. Index the gallery again"
        super().__init__(404, "not_found", message)


class PictureChangedError(ServiceError):
    """The file of a picture is not the one that was indexed: its boxes would be those of another picture."""

    def __init__(self, image_id: int) -> None:
        self.image_id = image_id
        message = f"the file of picture {image_id} has changed since it was indexed. Index the gallery again"
        super().__init__(409, "conflict", message)


class RefusedPathError(ServiceError):
    """A path that an administrator may not have indexed or written to."""

    def __init__(self, path: str, cause: str) -> None:
        self.path, self.cause = path, cause
        super().__init__(400, "bad_request", f"{path[:200]!r} is refused: {cause}")


class NoPictureNameError(ServiceError):
    """A file name whose ending is not that of a picture."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(415, "unsupported_media", f"{name[:200]!r} is refused: its ending is not that of a picture")


class GalleryFiles:
    """The files below ``root``; ``db`` is the index folder, which may lie among them and is none of them."""

    def __init__(self, root: Path, db: Path) -> None:
        self.root = Path(os.path.realpath(root))
        self._db = db.resolve()

    @contextmanager
    def open(self, facts: FileFacts) -> Iterator[BinaryIO]:
        """The file of an indexed picture, opened for reading, for the length of a ``with`` block.

        It is checked once more when the block ends: what was read meanwhile is of the file that was indexed.

        Raises:
            PictureMissingError: no regular file there, or one that lies outside the root by way of links.
            PictureChangedError: its size or its time is not what the index knows.
        """
        try:
            descriptor = _open_below(self.root, self.root / facts.path)
        except (OSError, ValueError):
            raise PictureMissingError(facts.image_id) from None
        with os.fdopen(descriptor, "rb") as file:
            _require_same(descriptor, facts)
            yield file
            _require_same(descriptor, facts)

    def check(self, facts: FileFacts) -> None:
        """Returns when the file of an indexed picture is there, and is the one that was indexed. Raises as `open`."""
        with self.open(facts):
            pass

    def indexable(self, path: str) -> Path:
        """The absolute path of a picture or folder of the gallery, given relative to its root.

        Raises:
            RefusedPathError: absolute, outside the root, hidden, within the index, by way of a link to a folder, not
                there, or no picture.
        """
        place = self._below(path)
        try:
            if place.is_dir() and not place.is_symlink():
                return place
            os.close(_open_below(self.root, place))
        except (OSError, ValueError):
            raise RefusedPathError(path, "no such picture or folder in the gallery") from None
        if place.suffix.lower() not in SUFFIXES:
            raise RefusedPathError(path, "its ending is not that of a picture")
        return place

    def folder(self, path: str) -> Path:
        """The folder with this path relative to the root, made if it is missing. Raises RefusedPathError."""
        place = self._below(path)
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RefusedPathError(path, f"the folder cannot be made: {error.strerror}") from error
        if place.is_symlink():
            raise RefusedPathError(path, "it is a link")
        return self._below(path)

    def relative(self, place: Path) -> str:
        """The path relative to the root, as the index has it."""
        return place.relative_to(self.root).as_posix()

    def _below(self, path: str) -> Path:
        """The absolute path of a relative one whose parts are plain and whose folders are no links."""
        parts = path.split("/")
        if "\0" in path or path.startswith("/"):
            raise RefusedPathError(path, "paths are relative to the gallery")
        if any(part in ("", ".", "..") for part in parts):
            raise RefusedPathError(path, "a path is made of names, without . and ..")
        if any(part.startswith(".") for part in parts):
            raise RefusedPathError(path, "hidden files and folders are not indexed")
        place = self.root.joinpath(*parts)
        try:
            path.encode()
            if Path(os.path.realpath(place.parent)) != place.parent:
                raise RefusedPathError(path, "a folder on its way is a link")
        except UnicodeEncodeError:
            raise RefusedPathError(path, "it is not valid text") from None
        except OSError as error:
            raise RefusedPathError(path, error.strerror or "it cannot be looked up") from error
        if place.is_relative_to(self._db):
            raise RefusedPathError(path, "it belongs to the index")
        return place


def keep_upload(staged: Path, folder: Path, name: str) -> Path:
    """Where an uploaded file was moved to: into ``folder``, under a safe form of its ``name`` that nobody has there.

    The name is taken first, as an empty file, so that no file is ever overwritten; the content then replaces it whole.
    """
    stem, suffix = safe_name(name)
    tries = [f"{stem}{suffix}", *(f"{stem}-{number}{suffix}" for number in range(2, 100))]
    tries += [f"{stem}-{secrets.token_hex(8)}{suffix}" for _ in range(10)]
    for attempt in tries:
        target = folder / attempt
        try:
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644))
        except FileExistsError:
            continue
        staged.replace(target)
        return target
    raise RefusedPathError(name, "too many files of that name")


def safe_name(name: str) -> tuple[str, str]:
    """Stem and suffix of a file name that is safe on every file system, from one that a client gave.

    Raises:
        NoPictureNameError: the ending is not that of a picture.
    """
    last = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    stem, suffix = os.path.splitext(last)  # noqa: PTH122 - a Path refuses NUL
    if suffix.lower() not in SUFFIXES:
        raise NoPictureNameError(name)
    tidy = _UNSAFE.sub("_", stem.encode("utf-8", "replace").decode()).strip("._-")
    # Cut by bytes: file systems count them.
    tidy = tidy.encode()[:_LONGEST_NAME].decode("utf-8", "ignore")
    return tidy or "picture", suffix.lower()


def _open_below(root: Path, path: Path) -> int:
    """A descriptor of a regular file that lies below ``root`` once all links are followed; ``OSError`` if it does not.

    The path is resolved first and then opened name by name from the root, following no link: what is swapped in
    between makes the opening fail.
    """
    # Not Path.resolve, which has an error of its own for a loop of links.
    home = Path(os.path.realpath(root, strict=True))
    *folders, name = Path(os.path.realpath(path, strict=True)).relative_to(home).parts
    held = os.open(home, _OPEN | os.O_DIRECTORY)
    try:
        for folder in folders:
            inner = os.open(folder, _OPEN | os.O_DIRECTORY, dir_fd=held)
            os.close(held)
            held = inner
        descriptor = os.open(name, _OPEN, dir_fd=held)
    finally:
        os.close(held)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(path)
    return descriptor


def _require_same(descriptor: int, facts: FileFacts) -> None:
    found = os.fstat(descriptor)
    if (found.st_size, found.st_mtime_ns) != (facts.size, facts.mtime_ns):
        raise PictureChangedError(facts.image_id)
