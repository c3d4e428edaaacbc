"""The index of a gallery: the one there is, or a new one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from reir.errors import IndexNotFoundError, RootMismatchError, UsageError
from reir.indexer.location import find_index, new_location
from reir.indexer.options import DEFAULT_MAX_INSTANCES
from reir.protocols import Model

if TYPE_CHECKING:
    from reir.store import Index


def open_or_create(
    path: Path,
    model: Model | Callable[[], Model],
    *,
    db: Path | None = None,
    max_instances: int | None = None,
    database_url: str | None = None,
) -> Index:
    """The index that ``path`` belongs to: at ``db``, or of the nearest folder upwards that has one, else a new one.

    A new index is that of ``path`` as the root, in ``path/.reir`` or, where that cannot be written or lies on a network
    file system, in the user's data folder (``reir.indexer.location``).

    Args:
        path: a gallery root, or a file or folder inside one.
        model: the model; a function is called only when a new index is made.
        db: the index folder.
        max_instances: instances to keep of a picture, for a new index.
        database_url: SQLAlchemy URL of the image table, by default SQLite in the index folder.

    Raises:
        ModelMismatchError: the index was made by another model.
        RootMismatchError: ``db`` is the index of another gallery.
        UsageError: there is neither an index nor a folder ``path``.
    """
    from reir.store import Index

    index = open_existing(path, db=db, database_url=database_url)
    if index is not None:
        if isinstance(model, Model):
            index.info.require(model.identity)
        return index
    if not path.is_dir():
        raise UsageError(f"no such folder: {path}" if not path.exists() else f"{path} is no folder")
    root = path.resolve()
    model = model if isinstance(model, Model) else model()
    return Index.create(
        root,
        db=db or new_location(root).db,
        model=model.identity,
        settings={"max_instances": max_instances or DEFAULT_MAX_INSTANCES},
        database_url=database_url,
    )


def open_existing(path: Path, *, db: Path | None = None, database_url: str | None = None) -> Index | None:
    """The index that ``path`` belongs to, or None where none was made yet.

    Raises:
        RootMismatchError: ``db`` is the index of another gallery.
    """
    from reir.store import Index

    try:
        index = Index.open(db or find_index(path), database_url=database_url)
    except IndexNotFoundError:
        return None
    if not path.resolve().is_relative_to(index.info.root):
        raise RootMismatchError(index.db, index.info.root, path)
    return index
