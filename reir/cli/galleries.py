"""Indexes that are made for a measurement, kept in the user's cache folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reir.data.dataset import Dataset
    from reir.protocols import Model
    from reir.store import Index


_FEW = 64
"""Pictures below which they are decoded before decoding processes would have started."""


def dataset_index(data: Dataset, model: Model, *, shared: bool = False) -> Index:
    """The index by ``model`` of the pictures that a data set lists, brought up to date.

    Other pictures of its folder are no part of it, so they are no rivals. ``shared``: one index for all data sets of
    the same folder, which grows with each; for measurements that look inside the right picture only.

    Raises:
        DatasetError: the pictures are not there.
    """
    from reir.errors import DatasetError

    root = data.images_root.resolve()
    if not root.is_dir():
        raise DatasetError(f"the pictures of {data.name} are not in {root}. Say where they are: --images DIR")
    names = sorted(image.file_name for image in data.images)
    if shared:
        return _cached_index(root.name, root, model, names, gallery=["shared"])
    return _cached_index(data.name, root, model, names, gallery=names)


def twin_index(index: Index, model: Model) -> Index:
    """An index by ``model`` of the pictures that another index holds, brought up to date.

    Raises:
        DatasetError: the pictures are not there any more.
    """
    from reir.errors import DatasetError

    if not index.info.root.is_dir():
        raise DatasetError(f"the pictures of the index {index.db} are not in {index.info.root} any more")
    with index.snapshot() as snapshot:
        names = [row.path for row in snapshot.all_images("indexed")]
    return _cached_index(index.info.root.name, index.info.root, model, names, gallery=[index.info.uid])


def _cached_index(name: str, root: Path, model: Model, pictures: Sequence[str], *, gallery: Sequence[str]) -> Index:
    from platformdirs import user_cache_path

    from reir.cli.console import note, progress_bar, warn
    from reir.indexer import IndexOptions, open_or_create, run_index

    key = hashlib.blake2b("\n".join([str(root), model.identity.fingerprint, *gallery]).encode(), digest_size=8)
    index = open_or_create(root, model, db=user_cache_path("reir") / "eval" / f"{name}-{key.hexdigest()}")
    # One that is missing is told by the evaluation, with all others.
    there = [root / picture for picture in pictures if (root / picture).exists()]
    options = IndexOptions(paths=there, workers=0 if len(there) < _FEW else None)
    with progress_bar() as progress:
        report = run_index(index, model, options, progress=progress)
    warn(report.messages)
    if report.new or report.changed:
        note(f"indexed {root} for this by {model.identity.name}: {report.new + report.changed:,} pictures")
    return index
