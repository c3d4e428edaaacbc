"""Where the pictures of a data set stand in an index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reir.data.dataset import Dataset
from reir.errors import PicturesMissingError

if TYPE_CHECKING:
    from reir.store import Snapshot


@dataclass(frozen=True, slots=True)
class Located:
    """File name -> image id, and -> the id that its instances carry; and how many other pictures the index holds."""

    image_ids: Mapping[str, int]
    source_ids: Mapping[str, int]
    others: int


def locate(snapshot: Snapshot, dataset: Dataset) -> Located:
    """Every picture of the data set in the index.

    A file name is relative to the data set's images root. When that lies inside the index's root, so does the file;
    otherwise the index is taken to be of another copy of the same folder.

    Raises:
        PicturesMissingError: the index lacks some, or could not read them.
    """
    images_root, index_root = dataset.images_root.resolve(), Path(snapshot.info.root).resolve()
    prefix = images_root.relative_to(index_root) if images_root.is_relative_to(index_root) else Path()
    rows = {row.path: row for row in snapshot.all_images()}
    image_ids, source_ids, missing = {}, {}, []
    for image in dataset.images:
        row = rows.get((prefix / image.file_name).as_posix())
        if row is None or row.status != "indexed":
            cause = "not in the index" if row is None else f"could not be read: {row.cause}"
            missing.append((image.file_name, cause))
        else:
            image_ids[image.file_name], source_ids[image.file_name] = row.image_id, row.source_image_id
    if missing:
        raise PicturesMissingError(snapshot.info.db, images_root if prefix == Path() else index_root, missing)
    return Located(image_ids, source_ids, snapshot.image_count - len(image_ids))
