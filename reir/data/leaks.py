"""Pictures that training would see and an evaluation asks about."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import xxhash

from reir.data.annotated import Annotations
from reir.data.jsonfile import read_json, write_json
from reir.data.pictures import coco_image_id, find_picture
from reir.errors import DatasetError

_HELD_OUT = re.compile(r"(?<![a-z])(?:val|test|held)")


@dataclass(frozen=True, slots=True)
class Leak:
    """The pictures that a training file and a held-out file share, by their names in the two files."""

    train: str
    held_out: str
    pictures: tuple[tuple[str, str], ...]


def is_held_out(annotations: Annotations) -> bool:
    """Whether a file is for evaluation: what it says of its split, else whether its name says val or test."""
    return _HELD_OUT.search((annotations.split or annotations.name).lower()) is not None


def content_hash(path: Path) -> str:
    """A hash of a file's bytes."""
    return xxhash.xxh3_128_hexdigest(path.read_bytes())


def picture_keys(
    annotations: Annotations,
    *,
    folders: Sequence[Path] = (),
    hash_file: Callable[[Path], str] | None = None,
) -> dict[str, list[str]]:
    """Names of a file's pictures by what they are: COCO's number in the name, and, with ``hash_file``, their content.

    Pictures of other names are not known by them: ``000001.jpg`` of two collections are two pictures.
    """
    keys: dict[str, list[str]] = {}
    for position in range(len(annotations)):
        name = annotations.file_names[position]
        number = coco_image_id(name)
        if number is not None:
            keys.setdefault(f"coco {number}", []).append(name)
        if hash_file is not None and (path := find_picture(folders, name)) is not None:
            keys.setdefault(f"hash {hash_file(path)}", []).append(name)
    return keys


def find_leaks(
    train: Mapping[str, Mapping[str, Sequence[str]]], held_out: Mapping[str, Mapping[str, Sequence[str]]]
) -> list[Leak]:
    """The pictures that each training file shares with each held-out file; both are ``picture_keys`` by file."""
    leaks = []
    for train_name, mine in train.items():
        for held_name, theirs in held_out.items():
            shared = {(name, theirs[key][0]) for key in mine.keys() & theirs.keys() for name in mine[key]}
            once = dict(sorted(shared, reverse=True))
            if once:
                leaks.append(Leak(train_name, held_name, tuple(sorted(once.items()))))
    return leaks


def drop_pictures(path: Path, names: Iterable[str], target: Path) -> tuple[int, int]:
    """Write ``path`` to ``target`` without these pictures and their annotations: (pictures, annotations) dropped.

    Raises:
        DatasetError: ``path`` cannot be read, or is ``target``.
    """
    if target.exists() and target.samefile(path):
        raise DatasetError(f"{target} would be written over: give another folder")
    gone = set(names)
    content: dict[str, Any] = read_json(path)
    # What is malformed is no picture of ours, and stays as it is.
    dropped: dict[int, str] = {}
    for image in content["images"]:
        name = image.get("file_name") if isinstance(image, dict) else None
        if isinstance(name, str) and str(PurePosixPath(name)) in gone and isinstance(image.get("id"), int):
            dropped[image["id"]] = str(PurePosixPath(name))
    images = [image for image in content["images"] if _number(image, "id") not in dropped]
    annotations = [entry for entry in content["annotations"] if _number(entry, "image_id") not in dropped]
    counts = len(set(dropped.values())), len(content["annotations"]) - len(annotations)
    content |= {"images": images, "annotations": annotations}
    if "ambiguous" in content:
        kept = {_number(entry, "id") for entry in annotations}
        content["ambiguous"] = [record for record in content["ambiguous"] if kept.issuperset(record["annotation_ids"])]
    write_json(target, content)
    return counts


def _number(record: Any, key: str) -> int | None:
    value = record.get(key) if isinstance(record, dict) else None
    return value if isinstance(value, int) else None
