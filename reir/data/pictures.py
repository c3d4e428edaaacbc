"""Where the pictures of a data set lie, whichever year's names its file has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

_COCO_NAME = re.compile(r"(?:COCO_(?:train|val|test)\d{4}_)?(\d{12})(?:_\d+)?\.\w+")
COCO_FOLDERS = ("train2017", "val2017", "train2014", "val2014")
"""The folders that COCO's archives unpack to. Train and val of 2014 and of 2017 are the same pictures, divided anew."""


def coco_image_id(file_name: str) -> int | None:
    """The number that COCO gave the picture of such a name: ``train2017/000000123456.jpg``,
    ``COCO_train2014_000000123456.jpg``, or, as RefCOCO has it, ``COCO_train2014_000000123456_7.jpg``.
    """
    found = _COCO_NAME.fullmatch(PurePosixPath(file_name).name)
    return int(found[1]) if found else None


def find_picture(folders: Sequence[Path], file_name: str) -> Path | None:
    """The file of a picture: by the name as it stands, else, of a COCO picture, under its other names.

    So RefCOCO's and REIRCOCO's names of 2014 are found in the folders of 2017. None where there is none.
    """
    for folder in folders:
        if (folder / file_name).is_file():
            return folder / file_name
    number = coco_image_id(file_name)
    if number is None:
        return None
    for folder in folders:
        for path in _other_names(folder, number):
            if path.is_file():
                return path
    return None


def _other_names(folder: Path, number: int) -> list[Path]:
    new, old = f"{number:012d}.jpg", {year: f"COCO_{year}_{number:012d}.jpg" for year in COCO_FOLDERS[2:]}
    names = [folder / new, *(folder / name for name in old.values())]
    for year in COCO_FOLDERS:
        names.append(folder / year / old.get(year, new))
    return names
